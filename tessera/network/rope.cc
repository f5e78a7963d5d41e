#include "tessera/network/rope.h"

#include <algorithm>
#include <cmath>

namespace tessera {
namespace {

constexpr double kTau = 2 * M_PI;

// Frequencies whose wavelength is long against the trained window are divided by the factor, short
// ones are kept, those between are blended (Llama 3.1).
double llama3(double frequency, const RopeScaling& s) {
  const auto window = static_cast<double>(s.original_context);
  const double wavelength = kTau / frequency;
  if (wavelength > window / s.low_freq_factor) return frequency / s.factor;
  if (wavelength < window / s.high_freq_factor) return frequency;
  const double kept =
      (window / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  return (1 - kept) * frequency / s.factor + kept * frequency;
}

// Pair index whose frequency turns `turns` times within the trained window (YaRN, Peng et al. 2023,
// section 3.2).
double yarn_pair(double turns, double width, double theta, const RopeScaling& s) {
  return width * std::log(static_cast<double>(s.original_context) / (turns * kTau)) /
         (2 * std::log(theta));
}

double yarn_mscale(double factor, double mscale) {
  return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1;
}

}  // namespace

RopeTable::RopeTable(double theta, int64_t width, const RopeScaling& s, int64_t context) {
  const auto n = width / 2;
  const auto w = static_cast<double>(width);
  for (int64_t i = 0; i < n; ++i) {
    frequencies_.push_back(std::pow(theta, -2 * static_cast<double>(i) / w));
  }
  switch (s.kind) {
    case ScalingKind::none:
    case ScalingKind::dynamic:  // plain inside the trained window, which longer texts do not leave
      break;
    case ScalingKind::linear:
      for (double& f : frequencies_) f /= s.factor;
      break;
    case ScalingKind::llama3:
      for (double& f : frequencies_) f = llama3(f, s);
      break;
    case ScalingKind::yarn: {
      double low = std::max(std::floor(yarn_pair(s.beta_fast, w, theta, s)), 0.0);
      double high = std::min(std::ceil(yarn_pair(s.beta_slow, w, theta, s)), w - 1);
      if (low == high) high += 0.001;
      for (int64_t i = 0; i < n; ++i) {
        const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
        double& f = frequencies_[static_cast<size_t>(i)];
        f = f / s.factor * ramp + f * (1 - ramp);
      }
      factor_ = s.attention_factor > 0 ? s.attention_factor
                : s.mscale > 0 && s.mscale_all_dim > 0
                    ? yarn_mscale(s.factor, s.mscale) / yarn_mscale(s.factor, s.mscale_all_dim)
                    : yarn_mscale(s.factor, 1);
      break;
    }
    case ScalingKind::longrope: {
      const std::vector<double>& divisors = s.long_texts ? s.long_factors : s.short_factors;
      for (size_t i = 0; i < frequencies_.size() && i < divisors.size(); ++i) {
        frequencies_[i] /= divisors[i];
      }
      const double stretch = static_cast<double>(context) / static_cast<double>(s.original_context);
      factor_ = s.attention_factor > 0 ? s.attention_factor
                : stretch <= 1
                    ? 1
                    : std::sqrt(1 + std::log(stretch) /
                                        std::log(static_cast<double>(s.original_context)));
      break;
    }
  }
}

void RopeTable::ensure(int64_t positions) {
  const int64_t have = pairs() == 0 ? positions : static_cast<int64_t>(cosines_.size()) / pairs();
  if (positions <= have) return;
  positions = std::max(positions, std::max<int64_t>(2 * have, 64));
  cosines_.resize(static_cast<size_t>(positions * pairs()));
  sines_.resize(cosines_.size());
  for (int64_t p = have; p < positions; ++p) {
    for (int64_t i = 0; i < pairs(); ++i) {
      const double angle = static_cast<double>(p) * frequencies_[static_cast<size_t>(i)];
      cosines_[static_cast<size_t>(p * pairs() + i)] = static_cast<float>(std::cos(angle));
      sines_[static_cast<size_t>(p * pairs() + i)] = static_cast<float>(std::sin(angle));
    }
  }
}

void rotate(float* head, const float* cosines, const float* sines, int64_t pairs, bool interleaved,
            float direction) {
  if (interleaved) {
    for (int64_t i = 0; i < pairs; ++i) {
      const float a = head[2 * i], b = head[2 * i + 1], s = direction * sines[i];
      head[2 * i] = a * cosines[i] - b * s;
      head[2 * i + 1] = b * cosines[i] + a * s;
    }
    return;
  }
  for (int64_t i = 0; i < pairs; ++i) {
    const float a = head[i], b = head[pairs + i], s = direction * sines[i];
    head[i] = a * cosines[i] - b * s;
    head[pairs + i] = b * cosines[i] + a * s;
  }
}

double alibi_slope(int64_t h, int64_t heads) {
  int64_t power = 1;
  while (power * 2 <= heads) power *= 2;
  const auto base = static_cast<double>(power);
  if (h < power) return std::pow(2.0, -8 * static_cast<double>(h + 1) / base);
  return std::pow(2.0, -4 * static_cast<double>(2 * (h - power) + 1) / base);
}

}  // namespace tessera
