#include "tessera/files/quantise.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/kernels/half.h"
#include "tests/files/gguf_bytes.h"

namespace tessera {
namespace {

using test::Bytes;

std::vector<float> values_of(DType type, const Bytes& block) {
  std::vector<float> out(static_cast<size_t>(layout_of(type).block_elements));
  EXPECT_EQ(block.bytes().size(), static_cast<size_t>(layout_of(type).block_bytes));
  dequantise(type, block.bytes(), out);
  return out;
}

Bytes& half(Bytes& b, float value) { return b.put(float_to_half(value)); }

// Oracle: the definition of binary16, sign * 2^(e - 15) * (1 + f / 1024), written with ldexp.
TEST(Half, EveryValueIsItsDefinitionAndRoundTrips) {
  for (uint32_t h = 0; h < 65'536; ++h) {
    const int exponent = static_cast<int>(h >> 10 & 31), fraction = static_cast<int>(h & 1023);
    const double sign = h >> 15 ? -1 : 1;
    const float got = half_to_float(static_cast<uint16_t>(h));
    if (exponent == 31 && fraction != 0) {
      ASSERT_TRUE(std::isnan(got));
      continue;
    }
    const double wanted = exponent == 31  ? sign * INFINITY
                          : exponent == 0 ? sign * std::ldexp(fraction, -24)
                                          : sign * std::ldexp(1024 + fraction, exponent - 25);
    ASSERT_EQ(got, static_cast<float>(wanted)) << h;
    ASSERT_EQ(float_to_half(got), h);
  }
}

// Oracle: of the two neighbours in the other type, the nearer one; on a tie the even one.
TEST(Half, RoundsToNearestEven) {
  std::mt19937 random(1);
  for (int i = 0; i < 200'000; ++i) {
    const auto mantissa = static_cast<float>(random() % (1u << 24));
    const float x = std::ldexp(mantissa, static_cast<int>(random() % 46) - 54);
    if (std::fabs(x) >= 65'504) continue;
    const uint16_t h = float_to_half(x);
    const double error = std::fabs(double{half_to_float(h)} - double{x});
    for (int step : {-1, 1}) {
      const auto other = static_cast<uint16_t>(h + step);
      if ((other ^ h) & 0x8000) continue;
      const double theirs = std::fabs(double{half_to_float(other)} - double{x});
      ASSERT_TRUE(error < theirs || (error == theirs && h % 2 == 0)) << x;
    }
  }
  EXPECT_EQ(float_to_half(65'519.0f), 0x7bff);
  EXPECT_EQ(float_to_half(65'520.0f), 0x7c00);
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(NAN))));
  EXPECT_EQ(float_to_bfloat(1.00390625f), 0x3f80);  // a tie: 1 is even
  EXPECT_EQ(float_to_bfloat(1.01171875f), 0x3f82);  // a tie: 1.015625 is even
  EXPECT_TRUE(std::isnan(bfloat_to_float(float_to_bfloat(NAN))));
}

// The following oracles are the formats' definitions, on blocks whose fields are told apart.
TEST(Dequantise, FourAndFiveBitBlocks) {
  Bytes q40, q41, q50, q51, nl;
  half(q40, 2);
  half(half(q41, 2), -1);
  half(q50, 2).put<uint32_t>(0x80000001u);
  half(half(q51, 2), -1).put<uint32_t>(0x80000001u);
  half(nl, 2);
  for (Bytes* b : {&q40, &q41, &q50, &q51, &nl}) {
    for (int i = 0; i < 16; ++i) b->put(static_cast<uint8_t>(i | (15 - i) << 4));
  }
  const auto a = values_of(DType::q4_0, q40), b = values_of(DType::q4_1, q41);
  const auto c = values_of(DType::q5_0, q50), d = values_of(DType::q5_1, q51);
  const auto e = values_of(DType::iq4_nl, nl);
  for (int i = 0; i < 32; ++i) {
    const int q = i < 16 ? i : 31 - i, fifth = i == 0 || i == 31 ? 16 : 0;
    const auto at = static_cast<size_t>(i);
    EXPECT_EQ(a[at], 2.0f * static_cast<float>(q - 8));
    EXPECT_EQ(b[at], 2.0f * static_cast<float>(q) - 1);
    EXPECT_EQ(c[at], 2.0f * static_cast<float>(q + fifth - 16));
    EXPECT_EQ(d[at], 2.0f * static_cast<float>(q + fifth) - 1);
  }
  EXPECT_EQ(e[0], -254.0f);
  EXPECT_EQ(e[15], 226.0f);
  EXPECT_EQ(e[16], 226.0f);
  EXPECT_EQ(e[31], -254.0f);
}

TEST(Dequantise, PlainTypes) {
  std::vector<float> out(2);
  Bytes i8, i64, f64, bf16;
  dequantise(DType::i8, i8.put<int8_t>(-3).put<int8_t>(4).bytes(), out);
  EXPECT_EQ(out, (std::vector<float>{-3, 4}));
  dequantise(DType::i64, i64.put<int64_t>(-3).put<int64_t>(1 << 20).bytes(), out);
  EXPECT_EQ(out, (std::vector<float>{-3, 1 << 20}));
  dequantise(DType::f64, f64.put(0.5).put(-2.0).bytes(), out);
  EXPECT_EQ(out, (std::vector<float>{0.5, -2}));
  dequantise(DType::bf16, bf16.put<uint16_t>(0x3f80).put<uint16_t>(0xc000).bytes(), out);
  EXPECT_EQ(out, (std::vector<float>{1, -2}));
}

// Oracle: no level of the block lies nearer. Half a step (a whole one at the clipped end of the
// symmetric types), plus what rounding scale and minimum to 16 bits moves.
TEST(Quantise, StaysWithinAStepOfTheValue) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (DType type : {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q8_0}) {
    const float steps = type == DType::q8_0   ? 127
                        : type == DType::q4_0 ? 8
                        : type == DType::q5_0 ? 16
                        : type == DType::q4_1 ? 15
                                              : 31;
    for (int trial = 0; trial < 200; ++trial) {
      SCOPED_TRACE(std::string(layout_of(type).name) + " " + std::to_string(trial));
      std::vector<float> x(64), back(64);
      for (float& v : x) v = normal(random);
      std::vector<std::byte> bytes(static_cast<size_t>(bytes_of(type, 64)));
      quantise(type, x, bytes);
      dequantise(type, bytes, back);
      for (size_t block = 0; block < 64; block += 32) {
        auto [least, most] = std::minmax_element(x.begin() + static_cast<long>(block),
                                                 x.begin() + static_cast<long>(block) + 32);
        const float extreme = std::max(std::fabs(*least), std::fabs(*most));
        const bool affine = type == DType::q4_1 || type == DType::q5_1;
        const float step = (affine ? *most - *least : extreme) / steps;
        const float bound = (affine || type == DType::q8_0 ? 0.5f : 1.01f) * step + extreme / 500;
        for (size_t i = block; i < block + 32; ++i) EXPECT_NEAR(back[i], x[i], bound);
      }
    }
  }
}

TEST(Quantise, ZerosStayZeros) {
  const std::vector<float> zeros(32);
  for (DType type : {DType::f32, DType::f16, DType::bf16, DType::q4_0, DType::q4_1, DType::q5_0,
                     DType::q5_1, DType::q8_0}) {
    std::vector<std::byte> bytes(static_cast<size_t>(bytes_of(type, 32)));
    std::vector<float> back(32, 1.0f);
    quantise(type, zeros, bytes);
    dequantise(type, bytes, back);
    EXPECT_EQ(back, zeros);
  }
}

}  // namespace
}  // namespace tessera
