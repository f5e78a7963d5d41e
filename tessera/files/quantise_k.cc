#include "tessera/files/quantise_k.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "tessera/kernels/half.h"

namespace tessera {
namespace {

constexpr int kElements = 256, kTries = 10;

// The nearest finite half, and what it stands for.
float put_nearest_half(uint8_t* at, float value) {
  constexpr float most = 65504;
  const uint16_t half = float_to_half(std::clamp(value, -most, most));
  std::memcpy(at, &half, 2);
  return half_to_float(half);
}

int nearest(float x, int least, int most) {
  return static_cast<int>(
      std::lround(std::clamp(x, static_cast<float>(least), static_cast<float>(most))));
}

// A part's values as scale * code + offset.
struct Line {
  float scale = 0, offset = 0;
};

// The least squares over codes 0 .. levels, from some ways to spread the codes over the values;
// offset <= 0, as the formats have it.
Line fit_line(std::span<const float> x, int levels) {
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  const float least = std::min(*low, 0.0f), range = *high - least;
  if (!(range > 0)) return {0, least};
  const auto n = static_cast<double>(x.size());
  Line best;
  double best_error = std::numeric_limits<double>::max();
  for (int t = -kTries; t <= kTries; ++t) {
    const float inverse = (static_cast<float>(levels) + 0.1f * static_cast<float>(t)) / range;
    double q1 = 0, q2 = 0, x1 = 0, x2 = 0, qx = 0;
    for (const float value : x) {
      const double q = nearest((value - least) * inverse, 0, levels), v = value;
      q1 += q;
      q2 += q * q;
      x1 += v;
      x2 += v * v;
      qx += q * v;
    }
    const double spread = n * q2 - q1 * q1;
    if (q2 == 0) continue;
    double scale = spread > 0 ? (n * qx - q1 * x1) / spread : 0;
    double offset = spread > 0 ? (q2 * x1 - q1 * qx) / spread : 1;
    if (offset > 0 || scale < 0) {
      offset = 0;
      scale = std::max(0.0, qx / q2);
    }
    const double error = x2 + scale * scale * q2 + n * offset * offset +
                         2 * (scale * offset * q1 - scale * qx - offset * x1);
    if (error >= best_error) continue;
    best_error = error;
    best = {static_cast<float>(scale), static_cast<float>(offset)};
  }
  return best;
}

// The same without an offset, codes -half .. half - 1. The scale may be negative.
float fit_scale(std::span<const float> x, int half) {
  const float extreme = *std::max_element(
      x.begin(), x.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  if (extreme == 0) return 0;
  double best = 0, best_gain = 0;
  for (int t = -kTries; t <= kTries; ++t) {
    const float inverse = -(static_cast<float>(half) + 0.1f * static_cast<float>(t)) / extreme;
    double q2 = 0, qx = 0;
    for (const float value : x) {
      const double q = nearest(value * inverse, -half, half - 1);
      q2 += q * q;
      qx += q * static_cast<double>(value);
    }
    if (q2 == 0 || qx * qx / q2 <= best_gain) continue;
    best_gain = qx * qx / q2;
    best = qx / q2;
  }
  return static_cast<float>(best);
}

// The codes nearest to (x - offset) / scale, and the squared error that remains.
double code(std::span<const float> x, Line line, int least, int most, int8_t* codes) {
  double error = 0;
  const float inverse = line.scale == 0 ? 0 : 1 / line.scale;
  for (size_t i = 0; i < x.size(); ++i) {
    const int q = nearest((x[i] - line.offset) * inverse, least, most);
    const double off = static_cast<double>(line.scale * static_cast<float>(q) + line.offset - x[i]);
    error += off * off;
    codes[i] = static_cast<int8_t>(q);
  }
  return error;
}

// Goes from {a, b} to the best of its neighbours until none is better. error(a, b) gives infinity
// where a number is out of its range.
template <class Error>
std::array<int, 2> descend(std::array<int, 2> at, const Error& error) {
  double now = error(at[0], at[1]);
  for (bool moved = true; moved;) {
    moved = false;
    const auto from = at;
    for (int a = -1; a <= 1; ++a) {
      for (int b = -1; b <= 1; ++b) {
        const double there = error(from[0] + a, from[1] + b);
        if (!(there < now)) continue;  // nor from or to what is no number
        now = there;
        at = {from[0] + a, from[1] + b};
        moved = true;
      }
    }
  }
  return at;
}

constexpr double kNone = std::numeric_limits<double>::infinity();

// d, dmin | 12 bytes of scales and minima of 8 parts, 6 bits each | what `put` makes of the codes.
template <class Put>
void lines(const float* values, int levels, uint8_t* block, const Put& put) {
  constexpr int kParts = 8, kPart = kElements / kParts, kMost = 63;
  std::array<Line, kParts> fitted;
  float scale = 0, offset = 0;
  const auto part = [&](int j) {
    return std::span<const float>(values + static_cast<ptrdiff_t>(kPart) * j, kPart);
  };
  for (int j = 0; j < kParts; ++j) {
    fitted[static_cast<size_t>(j)] = fit_line(part(j), levels);
    scale = std::max(scale, fitted[static_cast<size_t>(j)].scale);
    offset = std::max(offset, -fitted[static_cast<size_t>(j)].offset);
  }
  scale = put_nearest_half(block, scale / kMost);
  offset = put_nearest_half(block + 2, offset / kMost);
  uint8_t* packed = block + 4;
  std::fill(packed, packed + 12, uint8_t{0});
  for (int j = 0; j < kParts; ++j) {
    const Line& line = fitted[static_cast<size_t>(j)];
    std::array<int8_t, kPart> codes{};
    const auto error = [&](int s, int m) {
      if (s < 0 || s > kMost || m < 0 || m > kMost) return kNone;
      return code(part(j), {scale * static_cast<float>(s), -offset * static_cast<float>(m)}, 0,
                  levels, codes.data());
    };
    const auto [s, m] = descend({scale > 0 ? nearest(line.scale / scale, 0, kMost) : 0,
                                 offset > 0 ? nearest(-line.offset / offset, 0, kMost) : 0},
                                error);
    error(s, m);
    put(j, codes);
    if (j < 4) {
      packed[j] |= static_cast<uint8_t>(s);
      packed[j + 4] |= static_cast<uint8_t>(m);
    } else {
      packed[j + 4] = static_cast<uint8_t>((s & 15) | (m & 15) << 4);
      packed[j - 4] |= static_cast<uint8_t>(s >> 4 << 6);
      packed[j] |= static_cast<uint8_t>(m >> 4 << 6);
    }
  }
}

}  // namespace

void quantise_q4_k(const float* values, uint8_t* block) {
  std::fill(block + 16, block + 144, uint8_t{0});
  lines(values, 15, block, [&](int j, const auto& codes) {
    for (size_t i = 0; i < codes.size(); ++i) {
      block[16 + j / 2 * 32 + static_cast<int>(i)] |= static_cast<uint8_t>(codes[i] << (j % 2 * 4));
    }
  });
}

void quantise_q5_k(const float* values, uint8_t* block) {
  std::fill(block + 16, block + 176, uint8_t{0});
  lines(values, 31, block, [&](int j, const auto& codes) {
    for (size_t i = 0; i < codes.size(); ++i) {
      block[16 + i] |= static_cast<uint8_t>((codes[i] >> 4) << j);
      block[48 + j / 2 * 32 + static_cast<int>(i)] |=
          static_cast<uint8_t>((codes[i] & 15) << (j % 2 * 4));
    }
  });
}

void quantise_q6_k(const float* values, uint8_t* block) {
  constexpr int kParts = 16, kPart = kElements / kParts, kHalf = 32;
  std::array<float, kParts> fitted{};
  float extreme = 0;
  const auto part = [&](int j) {
    return std::span<const float>(values + static_cast<ptrdiff_t>(kPart) * j, kPart);
  };
  for (int j = 0; j < kParts; ++j) {
    const float scale = fit_scale(part(j), kHalf);
    fitted[static_cast<size_t>(j)] = scale;
    if (std::fabs(scale) > std::fabs(extreme)) extreme = scale;
  }
  std::fill(block, block + 192, uint8_t{0});
  const float unit = put_nearest_half(block + 208, extreme / -128);
  for (int j = 0; j < kParts; ++j) {
    std::array<int8_t, kPart> codes{};
    const auto error = [&](int s, int none) {
      if (s < -128 || s > 127 || none != 0) return kNone;
      return code(part(j), {unit * static_cast<float>(s), 0}, -kHalf, kHalf - 1, codes.data());
    };
    const float start = unit != 0 ? fitted[static_cast<size_t>(j)] / unit : 0;
    const int s = descend({nearest(start, -128, 127), 0}, error)[0];
    error(s, 0);
    block[192 + j] = static_cast<uint8_t>(static_cast<int8_t>(s));
    for (int k = 0; k < kPart; ++k) {
      const int i = kPart * j + k, q = codes[static_cast<size_t>(k)] + kHalf;
      block[i / 128 * 64 + i % 64] |= static_cast<uint8_t>((q & 15) << (i / 64 % 2 * 4));
      block[128 + i / 128 * 32 + i % 32] |= static_cast<uint8_t>((q >> 4) << (i / 32 % 4 * 2));
    }
  }
}

}  // namespace tessera
