// Oracle: keys turned and attended to in double precision.
#include "tessera/network/copied_keys.h"

#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace tessera {
namespace {

constexpr int64_t kWidth = 24, kEntries = 150;  // 24: padded to 32

// A vector turned by `by` positions: pairs d and d + width / 2 are a plane each.
std::vector<double> turned(const std::vector<float>& v, double by) {
  std::vector<double> out(v.begin(), v.end());
  for (int64_t d = 0; d < kWidth / 2; ++d) {
    const double angle = by * std::pow(10000.0, -2.0 * static_cast<double>(d) / kWidth);
    const auto a = static_cast<size_t>(d), b = static_cast<size_t>(d + kWidth / 2);
    out[a] = std::cos(angle) * v[a] - std::sin(angle) * v[b];
    out[b] = std::sin(angle) * v[a] + std::cos(angle) * v[b];
  }
  return out;
}

TEST(CopiedKeys, TurnedOnesAreSeenFromOnePlace) {
  RopeTable rope(10000, kWidth, {}, 4096);
  rope.ensure(1024);
  AttendShape shape;
  shape.heads = shape.kv_heads = 1;
  shape.head_width = kWidth;
  shape.rope = &rope;
  for (const CacheType type : {CacheType::f32, CacheType::f16, CacheType::bf16}) {
    KvStore store(std::make_shared<KvPool>(KvShape{1, 1, kWidth, type}));
    store.extend(kEntries);
    std::mt19937_64 random(3);
    std::normal_distribution<float> normal(0, 1);
    std::vector<std::vector<float>> keys, values;
    for (int64_t e = 0; e < kEntries; ++e) {
      for (auto* list : {&keys, &values}) {
        auto& v = list->emplace_back(static_cast<size_t>(kWidth));
        for (float& x : v) x = normal(random);
      }
      store.write(0, 0, e, keys.back().data(), values.back().data());
    }
    std::vector<float> query(32, 0.f);
    for (int64_t d = 0; d < kWidth; ++d) query[static_cast<size_t>(d)] = normal(random);
    const std::vector<int32_t> positions = {kEntries};
    const LayerView view(shape, store, query.data(), kWidth, positions, kEntries, 0);

    // By the cache's keys, and by un-rotated copies of 16 bits.
    PlainKeys plain(kWidth);
    plain.follow(view, 0);
    for (const bool copies : {false, true}) {
      CopiedKeys gathered;
      // More than once: nothing is left of what was attended to before.
      for (const int64_t count : {70, 5}) {
        std::vector<TurnedKey> list;
        double total = 0;
        std::vector<double> want(static_cast<size_t>(kWidth));
        for (int64_t i = 0; i < count; ++i) {
          const int64_t entry = i * 2 + 1, by = 300 - 7 * i;
          list.push_back({entry, by});
          const auto key = turned(keys[static_cast<size_t>(entry)], static_cast<double>(by));
          double score = 0;
          for (size_t d = 0; d < key.size(); ++d) score += key[d] * static_cast<double>(query[d]);
          total += std::exp(score);
          for (size_t d = 0; d < want.size(); ++d) {
            want[d] += std::exp(score) * static_cast<double>(values[static_cast<size_t>(entry)][d]);
          }
        }
        gathered.assign(view, 0, copies ? &plain : nullptr, list);
        ASSERT_EQ(gathered.size(), count);
        std::vector<float> scores(kAttendRows * kChunkKeys), weighted(32);
        float maximum = 0, sum = 0;
        AttendRow row;
        row.query = query.data();
        row.end = count;
        row.maximum = &maximum;
        row.total = &sum;
        row.weighted = weighted.data();
        AttendChunk call;
        call.rows = {&row, 1};
        call.width = view.width();
        call.scores = scores.data();
        gathered.fill(call, 0);
        kernels().attend(call);
        for (size_t d = 0; d < want.size(); ++d) {
          EXPECT_NEAR(weighted[d] / sum, want[d] / total,
                      type == CacheType::f32   ? (copies ? 5e-4 : 1e-4)
                      : type == CacheType::f16 ? 5e-3
                                               : 4e-2);
        }
      }
    }
  }
}

}  // namespace
}  // namespace tessera
