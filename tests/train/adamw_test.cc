// Oracle: the update as its source says it, in doubles, one value at a time.
#include "tessera/train/adamw.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

namespace tessera {
namespace {

TEST(AdamW, FollowsItsDefinition) {
  const AdamWOptions o{
      .rate = 0.1, .beta1 = 0.8, .beta2 = 0.95, .decay = 0.02, .warm_up = 3, .clip = 0.5};
  at::Tensor p = at::tensor({1.0, -2.0, 0.5}, at::kDouble).requires_grad_(true);
  const at::Tensor pull = at::tensor({3.0, -1.0, 0.01}, at::kDouble);
  double x[3] = {1, -2, 0.5}, m[3] = {}, v[3] = {};
  const double g0[3] = {3, -1, 0.01};
  AdamW adam({p}, o);
  for (int t = 1; t <= 6; ++t) {
    (p.square() * pull).sum().backward();
    const double norm = adam.step();
    double g[3], sum = 0;
    for (int i = 0; i < 3; ++i) {
      g[i] = 2 * g0[i] * x[i];
      sum += g[i] * g[i];
    }
    EXPECT_NEAR(norm, std::sqrt(sum), 1e-12);
    const double scale = std::min(1.0, o.clip / std::sqrt(sum));
    const double rate = o.rate * std::min(1.0, t / 3.0);
    for (int i = 0; i < 3; ++i) {
      m[i] = o.beta1 * m[i] + (1 - o.beta1) * g[i] * scale;
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * g[i] * scale * g[i] * scale;
      x[i] -= rate * o.decay * x[i];
      x[i] -= rate * (m[i] / (1 - std::pow(o.beta1, t))) /
              (std::sqrt(v[i] / (1 - std::pow(o.beta2, t))) + o.epsilon);
      EXPECT_NEAR(p[i].item<double>(), x[i], 1e-12) << t << " " << i;
    }
    EXPECT_FALSE(p.grad().defined());
  }
  EXPECT_EQ(adam.steps(), 6);
}

TEST(AdamW, WhatHasNoGradientStays) {
  at::Tensor p = at::ones({2}).requires_grad_(true);
  AdamW adam({p}, {.decay = 0.1});
  EXPECT_EQ(adam.step(), 0);
  EXPECT_EQ(p[0].item<float>(), 1);
}

}  // namespace
}  // namespace tessera
