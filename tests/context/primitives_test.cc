// Oracles: sorting, plain loops, double precision.
#include "tessera/context/primitives.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/context/layer_fixture.h"

namespace tessera {
namespace {

TEST(Primitives, BestOfIsASortByScoreThenPlace) {
  std::mt19937_64 random(1);
  BestOf best;
  std::vector<int32_t> got;
  for (int round = 0; round < 300; ++round) {
    std::vector<double> scores(random() % 200);
    const bool coarse = round % 2 == 0;  // many ties
    for (double& s : scores) {
      s = coarse ? static_cast<double>(random() % 5) - 2
                 : static_cast<float>(std::normal_distribution<>(0, 100)(random));
    }
    const std::vector<float> in(scores.begin(), scores.end());
    const auto k = static_cast<int64_t>(random() % 220);
    best.choose(in, k, got);
    EXPECT_EQ(std::vector<int64_t>(got.begin(), got.end()), test::best(scores, k));
  }
}

TEST(Primitives, PoolingNeitherWrapsNorShifts) {
  const std::vector<float> in = {-5, -1, -9, -9, -9, -2};
  std::vector<float> out(6);
  pool_largest(in, 3, out);
  EXPECT_EQ(out, (std::vector<float>{-1, -1, -1, -9, -2, -2}));
  pool_largest(in, 1, out);
  EXPECT_EQ(out, in);
  pool_largest(in, 99, out);
  EXPECT_EQ(out, std::vector<float>(6, -1));
}

TEST(Primitives, BlocksOfKeysGiveInnerProducts) {
  std::mt19937_64 random(2);
  std::normal_distribution<float> normal;
  KeyBlocks blocks(32, CacheType::f32);
  std::vector<std::vector<float>> keys;
  for (int i = 0; i < 150; ++i) {
    auto& k = keys.emplace_back(20);
    for (float& x : k) x = normal(random);
    blocks.append(k);
  }
  std::vector<float> queries(3 * 32), out(3 * 100);
  for (float& x : queries) x = normal(random);
  blocks.score(queries.data(), 3, 30, 130, out.data(), 100);
  for (size_t q = 0; q < 3; ++q) {
    for (size_t i = 0; i < 100; ++i) {
      double want = 0;
      for (size_t d = 0; d < 20; ++d) {
        want += static_cast<double>(queries[q * 32 + d]) * keys[30 + i][d];
      }
      EXPECT_NEAR(out[q * 100 + i], want, 1e-5);
    }
  }
}

}  // namespace
}  // namespace tessera
