#include "tessera/files/block_grid.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

#include "tessera/kernels/half.h"

namespace tessera {
namespace {

constexpr int kTries = 10;

// The nearest finite half, and what it stands for.
float as_half(float value) {
  constexpr float most = 65504;
  return half_to_float(float_to_half(std::clamp(value, -most, most)));
}

void put_half(uint8_t* at, float value) {
  const uint16_t half = float_to_half(value);
  std::memcpy(at, &half, 2);
}

// The nearest whole number from least to most, halves to even. What is no number becomes `least`.
int nearest_whole(float x, int least, int most) {
  constexpr float shift = 12582912;  // 1.5 * 2^23: behind it floats are whole numbers
  const auto low = static_cast<float>(least), high = static_cast<float>(most);
  const float bounded = x > low ? (x < high ? x : high) : low;
  return static_cast<int>((bounded + shift) - shift);
}

// The values of a part and what their errors weigh.
struct Weighed {
  std::span<const float> x, w;  // w is empty: all weigh one
  double weight(size_t i) const { return w.empty() ? 1.0 : static_cast<double>(w[i]); }
  Weighed part(int j, int n) const {
    const auto at = static_cast<size_t>(j) * static_cast<size_t>(n), size = static_cast<size_t>(n);
    return {x.subspan(at, size), w.empty() ? w : w.subspan(at, size)};
  }
};

// A part's values as scale * code + offset.
struct Line {
  float scale = 0, offset = 0;
};

// The least squares over codes 0 .. levels, from some ways to spread the codes over the values.
// `signed_offset`: the offset may be positive, which the formats of 256 elements cannot say.
Line fit_line(Weighed of, int levels, bool signed_offset) {
  const auto [low, high] = std::minmax_element(of.x.begin(), of.x.end());
  const float least = signed_offset ? *low : std::min(*low, 0.0f), range = *high - least;
  if (!(range > 0)) return {0, least};
  Line best{0, least};
  double best_error = std::numeric_limits<double>::max();
  for (int t = -kTries; t <= kTries; ++t) {
    const float inverse = (static_cast<float>(levels) + 0.1f * static_cast<float>(t)) / range;
    double n = 0, q1 = 0, q2 = 0, x1 = 0, x2 = 0, qx = 0;
    for (size_t i = 0; i < of.x.size(); ++i) {
      const double w = of.weight(i), v = of.x[i];
      const double q = nearest_whole((of.x[i] - least) * inverse, 0, levels);
      n += w;
      q1 += w * q;
      q2 += w * q * q;
      x1 += w * v;
      x2 += w * v * v;
      qx += w * q * v;
    }
    const double spread = n * q2 - q1 * q1;
    if (q2 == 0) continue;
    double scale = spread > 0 ? (n * qx - q1 * x1) / spread : 0;
    double offset = spread > 0 ? (q2 * x1 - q1 * qx) / spread : 1;
    if ((offset > 0 && !(signed_offset && spread > 0)) || scale < 0) {
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
float fit_scale(Weighed of, int half) {
  const float extreme = *std::max_element(
      of.x.begin(), of.x.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  if (extreme == 0) return 0;
  double best = 0, best_gain = 0;
  for (int t = -kTries; t <= kTries; ++t) {
    const float inverse = -(static_cast<float>(half) + 0.1f * static_cast<float>(t)) / extreme;
    double q2 = 0, qx = 0;
    for (size_t i = 0; i < of.x.size(); ++i) {
      const double w = of.weight(i), q = nearest_whole(of.x[i] * inverse, -half, half - 1);
      q2 += w * q * q;
      qx += w * q * static_cast<double>(of.x[i]);
    }
    if (q2 == 0 || qx * qx / q2 <= best_gain) continue;
    best_gain = qx * qx / q2;
    best = qx / q2;
  }
  return static_cast<float>(best);
}

// What remains with the codes nearest to (x - offset) / scale.
double error_of(Weighed of, Line line, int least, int most) {
  double error = 0;
  const float inverse = line.scale == 0 ? 0 : 1 / line.scale;
  for (size_t i = 0; i < of.x.size(); ++i) {
    const int q = nearest_whole((of.x[i] - line.offset) * inverse, least, most);
    const auto off =
        static_cast<double>(line.scale * static_cast<float>(q) + line.offset - of.x[i]);
    error += of.weight(i) * (off * off);
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

void set_part(BlockGrid& g, int j, int units, int offset_units) {
  const auto p = static_cast<size_t>(j);
  g.units[p] = static_cast<int16_t>(units);
  g.offset_units[p] = static_cast<int16_t>(offset_units);
  g.scale[p] = g.unit * static_cast<float>(units);
  g.offset[p] = -g.offset_unit * static_cast<float>(offset_units);
}

// One part of 32: a scale, and an offset where the format has one.
BlockGrid fit_small(DType type, Weighed of) {
  BlockGrid g;
  const bool five = type == DType::q5_0 || type == DType::q5_1;
  if (type == DType::q4_1 || type == DType::q5_1) {
    g.most = five ? 31 : 15;
    const Line line = fit_line(of, g.most, true);
    g.scale[0] = as_half(line.scale);
    g.offset[0] = as_half(line.offset);
  } else {
    g.least = five ? -16 : -8;
    g.most = -g.least - 1;
    g.scale[0] = as_half(fit_scale(of, -g.least));
  }
  return g;
}

// 8 parts with a scale and a minimum of 6 bits each.
BlockGrid fit_lines(int levels, Weighed of) {
  constexpr int kMost = 63;
  BlockGrid g{.parts = 8, .part_elements = 32, .most = levels};
  std::array<Line, 8> fitted;
  float scale = 0, offset = 0;
  for (int j = 0; j < g.parts; ++j) {
    Line& line = fitted[static_cast<size_t>(j)];
    line = fit_line(of.part(j, g.part_elements), levels, false);
    scale = std::max(scale, line.scale);
    offset = std::max(offset, -line.offset);
  }
  g.unit = as_half(scale / kMost);
  g.offset_unit = as_half(offset / kMost);
  for (int j = 0; j < g.parts; ++j) {
    const Line& line = fitted[static_cast<size_t>(j)];
    const Weighed part = of.part(j, g.part_elements);
    const auto error = [&](int s, int m) {
      if (s < 0 || s > kMost || m < 0 || m > kMost) return kNone;
      return error_of(part,
                      {g.unit * static_cast<float>(s), -g.offset_unit * static_cast<float>(m)}, 0,
                      levels);
    };
    const auto [s, m] =
        descend({g.unit > 0 ? nearest_whole(line.scale / g.unit, 0, kMost) : 0,
                 g.offset_unit > 0 ? nearest_whole(-line.offset / g.offset_unit, 0, kMost) : 0},
                error);
    set_part(g, j, s, m);
  }
  return g;
}

// 16 parts with a scale of 8 bits each.
BlockGrid fit_scales(Weighed of) {
  constexpr int kHalf = 32;
  BlockGrid g{.parts = 16, .part_elements = 16, .least = -kHalf, .most = kHalf - 1};
  std::array<float, 16> fitted{};
  float extreme = 0;
  for (int j = 0; j < g.parts; ++j) {
    const float scale = fit_scale(of.part(j, g.part_elements), kHalf);
    fitted[static_cast<size_t>(j)] = scale;
    if (std::fabs(scale) > std::fabs(extreme)) extreme = scale;
  }
  g.unit = as_half(extreme / -128);
  for (int j = 0; j < g.parts; ++j) {
    const Weighed part = of.part(j, g.part_elements);
    const auto error = [&](int s, int none) {
      if (s < -128 || s > 127 || none != 0) return kNone;
      return error_of(part, {g.unit * static_cast<float>(s), 0}, g.least, g.most);
    };
    const float start = g.unit != 0 ? fitted[static_cast<size_t>(j)] / g.unit : 0;
    set_part(g, j, descend({nearest_whole(start, -128, 127), 0}, error)[0], 0);
  }
  return g;
}

// Two nibbles a byte as q4_0 has them, and the fifth bits when there are any.
void put_small(const BlockGrid& g, std::span<const int8_t> codes, bool has_offset, uint8_t* block) {
  put_half(block, g.scale[0]);
  uint8_t* at = block + 2;
  if (has_offset) {
    put_half(at, g.offset[0]);
    at += 2;
  }
  std::array<uint8_t, 32> q{};
  uint32_t fifth = 0;
  for (size_t i = 0; i < q.size(); ++i) {
    q[i] = static_cast<uint8_t>(codes[i] - g.least);
    fifth |= static_cast<uint32_t>(q[i] >> 4) << i;
  }
  if (g.most - g.least > 15) {
    std::memcpy(at, &fifth, 4);
    at += 4;
  }
  for (size_t i = 0; i < 16; ++i) {
    at[i] = static_cast<uint8_t>((q[i] & 15) | (q[i + 16] & 15) << 4);
  }
}

// unit | offset_unit | 12 bytes of scales and minima of 8 parts, 6 bits each.
void put_line_scales(const BlockGrid& g, uint8_t* block) {
  put_half(block, g.unit);
  put_half(block + 2, g.offset_unit);
  uint8_t* packed = block + 4;
  std::fill(packed, packed + 12, uint8_t{0});
  for (int j = 0; j < 8; ++j) {
    const int s = g.units[static_cast<size_t>(j)], m = g.offset_units[static_cast<size_t>(j)];
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

void put_q4_k(const BlockGrid& g, std::span<const int8_t> codes, uint8_t* block) {
  std::fill(block + 16, block + 144, uint8_t{0});
  put_line_scales(g, block);
  for (size_t k = 0; k < codes.size(); ++k) {
    const size_t j = k / 32, i = k % 32;
    block[16 + j / 2 * 32 + i] |= static_cast<uint8_t>(codes[k] << (j % 2 * 4));
  }
}

void put_q5_k(const BlockGrid& g, std::span<const int8_t> codes, uint8_t* block) {
  std::fill(block + 16, block + 176, uint8_t{0});
  put_line_scales(g, block);
  for (size_t k = 0; k < codes.size(); ++k) {
    const size_t j = k / 32, i = k % 32;
    block[16 + i] |= static_cast<uint8_t>((codes[k] >> 4) << j);
    block[48 + j / 2 * 32 + i] |= static_cast<uint8_t>((codes[k] & 15) << (j % 2 * 4));
  }
}

void put_q6_k(const BlockGrid& g, std::span<const int8_t> codes, uint8_t* block) {
  std::fill(block, block + 192, uint8_t{0});
  put_half(block + 208, g.unit);
  for (size_t j = 0; j < 16; ++j) {
    block[192 + j] = static_cast<uint8_t>(static_cast<int8_t>(g.units[j]));
  }
  for (size_t i = 0; i < codes.size(); ++i) {
    const int q = codes[i] - g.least;
    block[i / 128 * 64 + i % 64] |= static_cast<uint8_t>((q & 15) << (i / 64 % 2 * 4));
    block[128 + i / 128 * 32 + i % 32] |= static_cast<uint8_t>((q >> 4) << (i / 32 % 4 * 2));
  }
}

}  // namespace

int BlockGrid::nearest(int part, float value) const {
  const auto p = static_cast<size_t>(part);
  const float inverse = scale[p] == 0 ? 0 : 1 / scale[p];
  return nearest_whole((value - offset[p]) * inverse, least, most);
}

bool has_grid(DType type) {
  switch (type) {
    case DType::q4_0:
    case DType::q4_1:
    case DType::q5_0:
    case DType::q5_1:
    case DType::q4_k:
    case DType::q5_k:
    case DType::q6_k:
      return true;
    default:
      return false;
  }
}

BlockGrid fit_grid(DType type, std::span<const float> values, std::span<const float> weights) {
  assert(has_grid(type));
  const Weighed of{values, weights};
  if (type == DType::q6_k) return fit_scales(of);
  if (type == DType::q4_k || type == DType::q5_k)
    return fit_lines(type == DType::q4_k ? 15 : 31, of);
  return fit_small(type, of);
}

void put_block(DType type, const BlockGrid& grid, std::span<const int8_t> codes, uint8_t* block) {
  if (type == DType::q4_k) return put_q4_k(grid, codes, block);
  if (type == DType::q5_k) return put_q5_k(grid, codes, block);
  if (type == DType::q6_k) return put_q6_k(grid, codes, block);
  put_small(grid, codes, type == DType::q4_1 || type == DType::q5_1, block);
}

}  // namespace tessera
