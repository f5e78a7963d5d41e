#include "tessera/train/adamw.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <c10/core/GradMode.h>

namespace tessera {

AdamW::AdamW(std::vector<at::Tensor> parameters, const AdamWOptions& options) : options_(options) {
  for (at::Tensor& p : parameters) {
    const at::Tensor mean = at::zeros_like(p), square = at::zeros_like(p);
    moving_.push_back({std::move(p), mean, square});
  }
}

double AdamW::step() {
  c10::NoGradGuard no_gradients;
  double sum = 0;
  for (const Moving& m : moving_) {
    if (m.parameter.grad().defined()) sum += m.parameter.grad().square().sum().item<double>();
  }
  const double norm = std::sqrt(sum);
  const double scale = options_.clip > 0 && norm > options_.clip ? options_.clip / norm : 1;
  ++steps_;
  const auto t = static_cast<double>(steps_);
  const double warmth =
      options_.warm_up > 0 ? std::min(1.0, t / static_cast<double>(options_.warm_up)) : 1;
  const double rate = options_.rate * warmth;
  const double mean_left = 1 - std::pow(options_.beta1, t);
  const double square_left = 1 - std::pow(options_.beta2, t);
  for (Moving& m : moving_) {
    if (!m.parameter.grad().defined()) continue;
    const at::Tensor gradient = m.parameter.grad() * scale;
    if (options_.decay > 0) m.parameter.mul_(1 - rate * options_.decay);
    m.mean.mul_(options_.beta1).add_(gradient, 1 - options_.beta1);
    m.square.mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
    const at::Tensor size = (m.square / square_left).sqrt_().add_(options_.epsilon);
    m.parameter.addcdiv_(m.mean, size, -rate / mean_left);
    m.parameter.mutable_grad() = at::Tensor();
  }
  return norm;
}

}  // namespace tessera
