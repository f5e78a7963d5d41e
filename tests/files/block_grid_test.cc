// Oracle: the formats' own sums, with every code tried for every value.
#include "tessera/files/block_grid.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/files/quantise.h"
#include "tessera/kernels/half.h"
#include "tests/base/rounds.h"

namespace tessera {
namespace {

constexpr DType kTypes[] = {DType::q4_k, DType::q5_k, DType::q6_k};

std::vector<std::byte> block_of(DType type, const std::vector<float>& values) {
  std::vector<std::byte> out(static_cast<size_t>(bytes_of(type, 256)));
  quantise(type, values, out);
  return out;
}

std::vector<float> values_of(DType type, const std::vector<std::byte>& block) {
  std::vector<float> out(256);
  dequantise(type, block, out);
  return out;
}

double error_of(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::pow(a[i] - b[i], 2);
  return sum;
}

// What a block says of its parts.
struct Parts {
  int count, least_code, most_code, scales_from, scales_to, most_offset;
  float unit = 0, offset_unit = 0;
  std::vector<int> scale, offset;

  Parts(DType type, const std::vector<std::byte>& bytes) {
    const auto* b = reinterpret_cast<const uint8_t*>(bytes.data());
    const auto half = [&](int at) {
      uint16_t h = 0;
      std::memcpy(&h, b + at, 2);
      return half_to_float(h);
    };
    if (type == DType::q6_k) {
      count = 16, least_code = -32, most_code = 31;
      scales_from = -128, scales_to = 127, most_offset = 0;
      unit = half(208);
      for (int j = 0; j < 16; ++j) scale.push_back(static_cast<int8_t>(b[192 + j]));
      offset.assign(16, 0);
      return;
    }
    count = 8, least_code = 0, most_code = type == DType::q4_k ? 15 : 31;
    scales_from = 0, scales_to = most_offset = 63;
    unit = half(0), offset_unit = half(2);
    const uint8_t* p = b + 4;
    for (int j = 0; j < 8; ++j) {
      scale.push_back(j < 4 ? p[j] & 63 : (p[j + 4] & 15) | p[j - 4] >> 6 << 4);
      offset.push_back(j < 4 ? p[j + 4] & 63 : p[j + 4] >> 4 | p[j] >> 6 << 4);
    }
  }

  // Squared error of a part with these steps and the best code for each value.
  double least_error(std::span<const float> x, int s, int m) const {
    double sum = 0;
    for (const float value : x) {
      double least = std::numeric_limits<double>::max();
      for (int q = least_code; q <= most_code; ++q) {
        const float back = unit * static_cast<float>(s) * static_cast<float>(q) -
                           offset_unit * static_cast<float>(m);
        least = std::min(least, std::pow(static_cast<double>(back - value), 2));
      }
      sum += least;
    }
    return sum;
  }
};

TEST(BlockGrid, NoStepOfAScaleMakesTheErrorSmaller) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const DType type : kTypes) {
    for (int trial = 0; trial < test::rounds(12); ++trial) {
      SCOPED_TRACE(std::string(layout_of(type).name) + " " + std::to_string(trial));
      std::vector<float> x(256);
      for (float& v : x)
        v = normal(random) * (trial % 3 == 0 ? 1e-3f : 1.0f) + (trial % 4 == 1 ? 2.0f : 0.0f);
      const auto block = block_of(type, x);
      const auto back = values_of(type, block);
      const Parts parts(type, block);
      const size_t n = 256 / static_cast<size_t>(parts.count);
      for (int j = 0; j < parts.count; ++j) {
        const size_t at = static_cast<size_t>(j) * n;
        const std::span<const float> part = std::span(x).subspan(at, n);
        double error = 0;
        for (size_t i = at; i < at + n; ++i)
          error += std::pow(static_cast<double>(back[i] - x[i]), 2);
        const int s = parts.scale[static_cast<size_t>(j)], m = parts.offset[static_cast<size_t>(j)];
        for (int a = std::max(s - 1, parts.scales_from); a <= std::min(s + 1, parts.scales_to);
             ++a) {
          for (int b = std::max(m - 1, 0); b <= std::min(m + 1, parts.most_offset); ++b) {
            EXPECT_LE(error, parts.least_error(part, a, b) * (1 + 1e-4) + 1e-12)
                << j << ' ' << a << ' ' << b;
          }
        }
      }
    }
  }
}

TEST(BlockGrid, MoreBitsAreNearer) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  double q4_0 = 0, q4_k = 0, q5_k = 0, q6_k = 0, q8_0 = 0;
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<float> x(256);
    for (float& v : x) v = normal(random);
    const auto of = [&](DType type) { return error_of(values_of(type, block_of(type, x)), x); };
    q4_0 += of(DType::q4_0);
    q4_k += of(DType::q4_k);
    q5_k += of(DType::q5_k);
    q6_k += of(DType::q6_k);
    q8_0 += of(DType::q8_0);
  }
  EXPECT_LT(q4_k, 0.8 * q4_0);
  EXPECT_LT(q5_k, 0.3 * q4_k);
  EXPECT_LT(q6_k, 0.4 * q5_k);
  EXPECT_LT(q8_0, q6_k);
}

TEST(BlockGrid, ZerosConstantsAndExtremesComeBack) {
  for (const DType type : kTypes) {
    SCOPED_TRACE(layout_of(type).name);
    EXPECT_EQ(values_of(type, block_of(type, std::vector<float>(256))), std::vector<float>(256));
    for (const float c : {3.0f, -3.0f, 1e-7f, 3e4f, -2e6f}) {
      for (const float back : values_of(type, block_of(type, std::vector<float>(256, c)))) {
        ASSERT_NEAR(back, c, std::max(0.01f * std::fabs(c), 1e-6f));
      }
    }
    std::vector<float> one(256);
    one[77] = -5;
    const auto back = values_of(type, block_of(type, one));
    EXPECT_NEAR(back[77], -5, 0.05);
    EXPECT_EQ(back[200], 0);
    // No half holds the scale of these; they become the largest that there is, and no NaN.
    for (const float v : values_of(type, block_of(type, std::vector<float>(256, 1e30f)))) {
      ASSERT_TRUE(std::isfinite(v));
    }
  }
}

}  // namespace
}  // namespace tessera
