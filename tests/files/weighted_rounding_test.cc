// Oracles: sums over the decoded blocks in double precision, and quantise() at the limits.
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/files/block_grid.h"
#include "tessera/files/error_feedback.h"
#include "tessera/files/quantise.h"
#include "tests/base/refusal.h"
#include "tests/base/rounds.h"

namespace tessera {
namespace {

constexpr DType kTypes[] = {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1,
                            DType::q4_k, DType::q5_k, DType::q6_k};

using Bytes = std::vector<std::byte>;

std::vector<float> normal(std::mt19937& random, size_t n) {
  std::normal_distribution<float> draw;
  std::vector<float> out(n);
  for (float& x : out) x = draw(random);
  return out;
}

Bytes empty(DType type, size_t n) {
  return Bytes(static_cast<size_t>(bytes_of(type, static_cast<int64_t>(n))));
}

Bytes plain(DType type, std::span<const float> x) {
  Bytes out = empty(type, x.size());
  quantise(type, x, out);
  return out;
}

Bytes weighted(DType type, std::span<const float> x, std::span<const float> weights) {
  Bytes out = empty(type, x.size());
  quantise_weighted(type, x, weights, out);
  return out;
}

Bytes fed(const ErrorFeedback& feedback, DType type, std::span<const float> x) {
  Bytes out = empty(type, x.size());
  feedback.round(type, x, out);
  return out;
}

std::vector<float> decoded(DType type, const Bytes& bytes, size_t n) {
  std::vector<float> out(n);
  dequantise(type, bytes, out);
  return out;
}

double weighted_error(DType type, const Bytes& bytes, std::span<const float> x,
                      std::span<const float> weights) {
  const auto back = decoded(type, bytes, x.size());
  double error = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    error += weights[i % weights.size()] * std::pow(static_cast<double>(x[i]) - back[i], 2);
  }
  return error;
}

// Products of inputs whose columns have much to do with each other.   [n, n]
std::vector<float> products_of_a_text(std::mt19937& random, size_t n, size_t tokens) {
  const auto mixing = normal(random, n * 8);
  std::vector<double> sums(n * n);
  for (size_t t = 0; t < tokens; ++t) {
    const auto hidden = normal(random, 8), noise = normal(random, n);
    std::vector<double> x(n);
    for (size_t i = 0; i < n; ++i) {
      x[i] = 0.2 * noise[i];
      for (size_t k = 0; k < 8; ++k) x[i] += mixing[i * 8 + k] * hidden[k];
    }
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) sums[i * n + j] += x[i] * x[j];
    }
  }
  return {sums.begin(), sums.end()};
}

TEST(WeightedRounding, IsNeverWorseThanPlainAndOftenMuchBetter) {
  std::mt19937 random(2);
  for (const DType type : kTypes) {
    SCOPED_TRACE(layout_of(type).name);
    double before = 0, after = 0;
    for (int trial = 0; trial < test::rounds(8); ++trial) {
      const auto x = normal(random, 512);
      std::vector<float> w = normal(random, 256);
      for (float& v : w) v = std::exp(2 * v);
      const double was = weighted_error(type, plain(type, x), x, w);
      const double is = weighted_error(type, weighted(type, x, w), x, w);
      EXPECT_LE(is, was * (1 + 1e-9));
      before += was;
      after += is;
    }
    EXPECT_LT(after, 0.9 * before);
  }
}

TEST(WeightedRounding, EqualWeightsGiveThePlainBytes) {
  std::mt19937 random(3);
  for (const DType type : writable_types()) {
    SCOPED_TRACE(layout_of(type).name);
    const auto x = normal(random, 1024);
    for (const float weight : {1.0f, 0.0f, 3e-5f, 7e9f}) {
      EXPECT_EQ(weighted(type, x, std::vector<float>(512, weight)), plain(type, x));
    }
    // Of a type without a grid whatever the weights are.
    if (has_grid(type)) continue;
    EXPECT_EQ(weighted(type, x, products_of_a_text(random, 16, 2)), plain(type, x));
  }
}

TEST(WeightedRounding, WeightlessColumnsAndZerosDoNoHarm) {
  std::mt19937 random(4);
  for (const DType type : kTypes) {
    SCOPED_TRACE(layout_of(type).name);
    auto x = normal(random, 256);
    std::vector<float> w(256);
    w[5] = 1;
    for (const float v : decoded(type, weighted(type, x, w), 256)) ASSERT_TRUE(std::isfinite(v));
    EXPECT_LE(weighted_error(type, weighted(type, x, w), x, w),
              weighted_error(type, plain(type, x), x, w));
    std::ranges::fill(x, 0.f);
    w[6] = 2;
    EXPECT_EQ(decoded(type, weighted(type, x, w), 256), x);
  }
}

TEST(ErrorFeedback, CostsWhatTheProductsSay) {
  std::mt19937 random(5);
  const size_t n = 96;
  const auto h = products_of_a_text(random, n, 50);  // fewer tokens than columns
  const ErrorFeedback feedback(h, static_cast<int64_t>(n));
  double mean = 0;
  for (size_t i = 0; i < n; ++i) mean += static_cast<double>(h[i * n + i]) / static_cast<double>(n);
  for (int trial = 0; trial < 5; ++trial) {
    const auto a = normal(random, n), b = normal(random, n);
    double want = 0;
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        const double product = h[i * n + j] / mean + (i == j ? ErrorFeedback::kDamping : 0);
        want += product * (a[i] - b[i]) * (a[j] - b[j]);
      }
    }
    EXPECT_NEAR(feedback.cost(a, b), want, 1e-3 * want);
  }
}

TEST(ErrorFeedback, IsNeverDearerThanTheOthersAndMuchCheaperWhereColumnsGoTogether) {
  std::mt19937 random(6);
  const size_t n = 256;
  const ErrorFeedback feedback(products_of_a_text(random, n, 600), static_cast<int64_t>(n));
  for (const DType type : kTypes) {
    SCOPED_TRACE(layout_of(type).name);
    const auto rows = normal(random, 3 * n);
    const Bytes got = fed(feedback, type, rows);
    double plain_cost = 0, fed_cost = 0;
    for (size_t r = 0; r < 3; ++r) {
      const auto row = std::span(rows).subspan(r * n, n);
      // A row's bytes do not depend on its neighbours.
      const Bytes alone = fed(feedback, type, row);
      EXPECT_TRUE(
          std::ranges::equal(alone, std::span(got).subspan(r * alone.size(), alone.size())));
      const double cost = feedback.cost(row, decoded(type, alone, n));
      const double plain_one = feedback.cost(row, decoded(type, plain(type, row), n));
      EXPECT_LE(cost, plain_one);
      EXPECT_LE(cost,
                feedback.cost(row, decoded(type, weighted(type, row, feedback.weights()), n)));
      plain_cost += plain_one;
      fed_cost += cost;
    }
    EXPECT_LT(fed_cost, 0.5 * plain_cost);
  }
}

TEST(ErrorFeedback, ColumnsThatHaveNothingToDoWithEachOtherAreOnlyWeighed) {
  std::mt19937 random(7);
  const size_t n = 256;
  std::vector<float> products(n * n);
  for (size_t i = 0; i < n; ++i) products[i * n + i] = 1 + static_cast<float>(i % 9);
  const ErrorFeedback feedback(products, static_cast<int64_t>(n));
  const auto x = normal(random, 2 * n);
  for (const DType type : kTypes) {
    SCOPED_TRACE(layout_of(type).name);
    EXPECT_EQ(fed(feedback, type, x), weighted(type, x, feedback.weights()));
  }
  EXPECT_EQ(fed(feedback, DType::q8_0, x), plain(DType::q8_0, x));
}

TEST(ErrorFeedback, ProductsOfNoTextAreRefused) {
  const auto refused = [](float value) {
    return test::refusal([&] { ErrorFeedback(std::vector<float>(64 * 64, value), 64); });
  };
  test::expect_says(refused(0), "Take another text");
  test::expect_says(refused(std::numeric_limits<float>::quiet_NaN()), "Take another text");
  test::expect_says(refused(std::numeric_limits<float>::infinity()), "Take another text");
  std::vector<float> impossible(64 * 64, 5.f);  // columns more alike than they are to themselves
  for (size_t i = 0; i < 64; ++i) impossible[i * 65] = 1;
  test::expect_says(test::refusal([&] { ErrorFeedback(impossible, 64); }), "Take another text");
}

}  // namespace
}  // namespace tessera
