#include "tessera/base/random.h"

#include <algorithm>
#include <cmath>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace tessera {
namespace {

using Block = std::array<uint32_t, 4>;

// Oracle: the known-answer vectors that the authors publish for philox4x32, 10 rounds.
TEST(Philox, GivesThePublishedVectors) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// Sum of (observed - expected)^2 / expected; `bound` is far in the tail for the cells used here.
double chi_square(const std::vector<int64_t>& seen, const std::vector<double>& share,
                  double draws) {
  double sum = 0;
  for (size_t i = 0; i < seen.size(); ++i) {
    double expected = share[i] * draws;
    sum += (static_cast<double>(seen[i]) - expected) * (static_cast<double>(seen[i]) - expected) /
           expected;
  }
  return sum;
}

constexpr int kDraws = 100000;

// 99.9999 % point of chi-square with 99 degrees of freedom: 178.
TEST(Random, UniformAndBelowFillTheirCellsEvenly) {
  Random random(7);
  std::vector<int64_t> uniform(100), below(100);
  for (int i = 0; i < kDraws; ++i) {
    ++uniform[static_cast<size_t>(random.uniform() * 100)];
    ++below[random.below(100)];
  }
  std::vector<double> share(100, 0.01);
  EXPECT_LT(chi_square(uniform, share, kDraws), 178);
  EXPECT_LT(chi_square(below, share, kDraws), 178);
}

// Oracle: the normal distribution function, by erfc. 20 cells of equal width between -2 and 2 and
// the two tails; 99.9999 % point with 21 degrees of freedom: 65.
TEST(Random, NormalFollowsItsDistribution) {
  Random random(11, 3);
  std::vector<int64_t> seen(22);
  for (int i = 0; i < kDraws; ++i) {
    double x = random.normal();
    ++seen[static_cast<size_t>(std::clamp((x + 2) / 0.2 + 1, 0.0, 21.0))];
  }
  auto below = [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); };
  std::vector<double> share = {below(-2)};
  for (int i = 0; i < 20; ++i) share.push_back(below(-1.8 + 0.2 * i) - below(-2 + 0.2 * i));
  share.push_back(1 - below(2));
  EXPECT_LT(chi_square(seen, share, kDraws), 65);
}

TEST(Random, CategoricalFollowsItsWeightsAndNeverDrawsAZero) {
  Random random(5);
  std::vector<double> weights = {0, 1, 2, 0, 5, 0};
  std::vector<int64_t> seen(6);
  for (int i = 0; i < kDraws; ++i) ++seen[random.categorical(weights)];
  EXPECT_EQ(seen[0] + seen[3] + seen[5], 0);
  EXPECT_LT(chi_square({seen[1], seen[2], seen[4]}, {0.125, 0.25, 0.625}, kDraws), 28);
}

TEST(Random, BelowStaysBelowForAnyBound) {
  Random random(1);
  for (uint64_t n : {uint64_t{1}, uint64_t{2}, uint64_t{1} << 33, ~uint64_t{0}}) {
    for (int i = 0; i < 1000; ++i) EXPECT_LT(random.below(n), n);
  }
}

TEST(Random, ADrawDependsOnSeedStreamAndIndexOnly) {
  Random one(9, 4);
  std::vector<double> in_order(50);
  for (size_t i = 0; i < 50; ++i) in_order[i] = i % 2 ? one.uniform() : one.normal();
  for (int i = 49; i >= 0; --i) {
    Random again(9, 4, static_cast<uint64_t>(i));
    EXPECT_EQ(i % 2 ? again.uniform() : again.normal(), in_order[static_cast<size_t>(i)]);
  }
  EXPECT_NE(Random(9, 5).bits(), Random(9, 4).bits());
  EXPECT_NE(Random(10, 4).bits(), Random(9, 4).bits());
}

TEST(Random, ThreadsDrawWhatOneThreadDraws) {
  auto fill = [](int threads) {
    std::vector<uint64_t> out(4000);
    std::vector<std::thread> workers;
    workers.reserve(static_cast<size_t>(threads));
    for (int t = 0; t < threads; ++t) {
      workers.emplace_back([&, t] {
        for (size_t i = static_cast<size_t>(t); i < out.size(); i += static_cast<size_t>(threads)) {
          out[i] = Random(3, i).bits();
        }
      });
    }
    for (auto& w : workers) w.join();
    return out;
  };
  EXPECT_EQ(fill(1), fill(3));
}

}  // namespace
}  // namespace tessera
