// Oracle: summaries, scores and slots in double precision by the definition; full attention while
// every chunk is chosen.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/base/same_bits.h"
#include "tests/context/layer_fixture.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

using test::Layer;

constexpr int64_t kChunk = 8, kSlots = 5;

// The chunk's key of a query head. The fixture's values are its rotated keys.
std::vector<double> summary(const Layer& layer, int64_t chunk, int64_t head) {
  constexpr int64_t kHalf = Layer::kWidth / 2;
  auto turned = [&](const std::vector<float>& from, int64_t at, int64_t by) {
    std::vector<double> out(Layer::kWidth);
    for (int64_t i = 0; i < kHalf; ++i) {
      const double angle = static_cast<double>(by) *
                           std::pow(10000.0, -2.0 * static_cast<double>(i) / Layer::kWidth);
      const double a = from[static_cast<size_t>(at * Layer::kWidth + i)];
      const double b = from[static_cast<size_t>(at * Layer::kWidth + kHalf + i)];
      out[static_cast<size_t>(i)] = a * std::cos(angle) - b * std::sin(angle);
      out[static_cast<size_t>(kHalf + i)] = b * std::cos(angle) + a * std::sin(angle);
    }
    return out;
  };
  std::vector<std::vector<double>> q, k, v;
  for (int64_t j = 0; j < kChunk; ++j) {
    const int64_t token = chunk * kChunk + j;
    q.push_back(turned(layer.plain_queries[static_cast<size_t>(token)], head, j));
    k.push_back(turned(layer.plain_keys[static_cast<size_t>(token)], head / Layer::kGroup, j));
    v.push_back(turned(layer.plain_keys[static_cast<size_t>(token)], head / Layer::kGroup, token));
  }
  auto attend = [&](const std::vector<double>& query, const std::vector<std::vector<double>>& to) {
    std::vector<double> out(Layer::kWidth, 0);
    double total = 0;
    for (size_t j = 0; j < k.size(); ++j) {
      double s = 0;
      for (size_t d = 0; d < query.size(); ++d) s += query[d] * k[j][d];
      const double p = std::exp(0.25 * s);
      total += p;
      for (size_t d = 0; d < out.size(); ++d) out[d] += p * to[j][d];
    }
    for (double& x : out) x /= total;
    return out;
  };
  std::vector<double> mean(Layer::kWidth, 0);
  for (const auto& query : q) {
    const auto o = attend(query, v);
    for (size_t d = 0; d < mean.size(); ++d) mean[d] += o[d] / kChunk;
  }
  return attend(mean, k);
}

TEST(LongHeads, EachHeadReadsItsBestChunksInSlots) {
  Layer layer("long-heads:chunk=8,budget=40,begin=16", 21);
  for (int64_t rows : {13, 40, 1, 34, 1, 1, 1}) {
    layer.pass(rows);
    const int64_t query = layer.tokens() - 1, current = query / kChunk;
    if (current + 1 <= kSlots) continue;
    for (int64_t head = 0; head < Layer::kHeads; ++head) {
      std::vector<double> scores;
      for (int64_t g = 1; g <= current - 2; ++g) {
        const auto key = summary(layer, g, head);
        double s = 0;
        for (size_t d = 0; d < key.size(); ++d) {
          s += layer.plain_queries[static_cast<size_t>(query)]
                                  [static_cast<size_t>(head * Layer::kWidth) + d] *
               key[d];
        }
        scores.push_back(s);
      }
      std::vector<int64_t> chunks = {0};
      for (int64_t i : test::best(scores, kSlots - 3)) chunks.push_back(i + 1);
      chunks.push_back(current - 1);
      chunks.push_back(current);
      // Every chosen key, and how far away it seems.
      std::vector<std::pair<int64_t, int64_t>> want, got;
      for (size_t slot = 0; slot < chunks.size(); ++slot) {
        for (int64_t j = 0; j < kChunk && chunks[slot] * kChunk + j <= query; ++j) {
          want.emplace_back(
              chunks[slot] * kChunk + j,
              (kSlots - 1 - static_cast<int64_t>(slot)) * kChunk + query % kChunk - j);
        }
      }
      for (const tessera::Run& run : layer.selected(head / Layer::kGroup, head, rows - 1)) {
        for (int64_t e = run.begin; e < run.end; ++e) got.emplace_back(e, run.query_position - e);
      }
      EXPECT_EQ(got, want) << query << " head " << head;
      EXPECT_LE(got.size(), static_cast<size_t>(kSlots * kChunk));
      for (const auto& [entry, distance] : got) {
        EXPECT_GE(distance, 0);
        EXPECT_LT(distance, kSlots * kChunk);  // whatever the text's length
      }
    }
  }
}

TEST(LongHeads, IsFullAttentionWhileEveryChunkHasASlot) {
  auto network = load_network(test::tiny_model(test::tiny_description(), 37));
  const auto ids = test::random_ids(15, 64, 96);
  const auto want = test::run_pieces(*network, ids, {30, 1, 1});
  EXPECT_TRUE(test::same_bits(
      want, test::run_pieces(*network, ids, {30, 1, 1}, "long-heads:chunk=8,budget=64,begin=16")));
  EXPECT_FALSE(test::same_bits(
      want, test::run_pieces(*network, ids, {30, 1, 1}, "long-heads:chunk=8,budget=56,begin=16")));
}

// A summary of an unfinished chunk would let a later token speak to an earlier one.
TEST(LongHeads, NoTokenSeesALaterOne) {
  auto network = load_network(test::tiny_model(test::tiny_description(), 38));
  auto ids = test::random_ids(16, 90, 96);
  const char* const spec = "long-heads:chunk=8,budget=32,begin=8";
  const auto before = test::run_pieces(*network, ids, {}, spec);
  for (size_t at : {3U, 44U, 88U}) {
    auto other = ids;
    other[at] = (other[at] + 1) % 96;
    const auto after = test::run_pieces(*network, other, {}, spec);
    EXPECT_TRUE(
        std::equal(before.begin(), before.begin() + static_cast<long>(at * 96), after.begin()))
        << at;
    EXPECT_FALSE(std::equal(before.begin() + static_cast<long>(at * 96),
                            before.begin() + static_cast<long>((at + 1) * 96),
                            after.begin() + static_cast<long>(at * 96)));
  }
  for (const std::vector<int64_t>& cut :
       {std::vector<int64_t>{40, 17}, std::vector<int64_t>(90, 1), std::vector<int64_t>{1}}) {
    EXPECT_TRUE(test::same_bits(before, test::run_pieces(*network, ids, cut, spec)));
  }
}

TEST(LongHeads, RefusesWhatCannotWork) {
  EXPECT_THROW(make_guest<ContextPolicy>("long-heads:budget=1000"), Error);
  EXPECT_THROW(make_guest<ContextPolicy>("long-heads:budget=768,begin=0"), Error);
  EXPECT_THROW(make_guest<ContextPolicy>("long-heads:begin=4097"), Error);
  auto network = load_network(test::tiny_model(test::tiny_description(), 39));
  EXPECT_THROW(network->new_past("long-heads"), Error);
}

}  // namespace
}  // namespace tessera
