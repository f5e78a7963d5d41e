// Oracle: inner products with the un-rotated keys in double precision.
#include "tessera/network/plain_keys.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace tessera {
namespace {

constexpr int64_t kWidth = 24, kEntries = 150, kQueries = 5;

TEST(PlainKeys, ScoreAsUnrotatedKeysDo) {
  RopeTable rope(10000, kWidth, {}, 4096);
  rope.ensure(1024);
  AttendShape shape;
  shape.heads = shape.kv_heads = 1;
  shape.head_width = kWidth;
  shape.rope = &rope;
  KvStore store(std::make_shared<KvPool>(KvShape{1, 1, kWidth, CacheType::f32}));
  store.extend(kEntries);
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal(0, 1);
  std::vector<std::vector<float>> keys;
  std::vector<int32_t> positions;
  for (int64_t e = 0; e < kEntries; ++e) {
    auto& key = keys.emplace_back(static_cast<size_t>(kWidth));
    // One key is zero; others differ in size.
    for (float& x : key) x = e == 70 ? 0 : normal(random) * static_cast<float>(1 + e % 7);
    std::vector<float> turned = key;
    rotate(turned.data(), rope.cosines(e), rope.sines(e), rope.pairs(), false);
    store.write(0, 0, e, turned.data(), turned.data());
    positions.push_back(static_cast<int32_t>(e));
  }
  std::vector<float> queries(static_cast<size_t>(kQueries * kWidth));
  for (float& x : queries) x = normal(random) * 10;
  const LayerView view(shape, store, queries.data(), kWidth, positions, 0, 0);
  PlainKeys plain(kWidth);
  plain.follow(view, 0);
  plain.follow(view, 0);  // what is held is not appended again
  ASSERT_EQ(plain.size(), kEntries);
  for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{0, 150}, {3, 64}, {70, 131}}) {
    const int64_t columns = end - begin;
    for (const bool exact : {false, true}) {
      std::vector<float> out(static_cast<size_t>(kQueries * columns));
      plain.score(queries.data(), kQueries, kWidth, begin, end, exact, out.data());
      for (int64_t q = 0; q < kQueries; ++q) {
        for (int64_t e = begin; e < end; ++e) {
          double want = 0, magnitudes = 0, most = 0;
          for (int64_t d = 0; d < kWidth; ++d) {
            const double x = queries[static_cast<size_t>(q * kWidth + d)];
            const double k = keys[static_cast<size_t>(e)][static_cast<size_t>(d)];
            want += x * k;
            magnitudes += std::abs(x);
            most = std::max(most, std::abs(k));
          }
          // Half a unit of each number of the key, and as much again for the query's rounding.
          const double unit = most / (exact ? 127 * 256 : 127);
          EXPECT_NEAR(out[static_cast<size_t>(q * columns + e - begin)], want,
                      magnitudes * (0.51 * unit + 1e-3 * most / 10))
              << e << " " << exact;
        }
      }
    }
  }
}

}  // namespace
}  // namespace tessera
