// Oracle: attention weights in double precision; SnapKV with a window of one; full attention.
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/base/same_bits.h"
#include "tests/context/layer_fixture.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

using test::Layer;

TEST(Recycled, ListsWhatTheLastFullStepAttendedTo) {
  Layer layer("recycled:budget=12,when=stride,stride=4,pool=3", 7);
  layer.policy().announce(40);
  layer.pass(40);
  std::vector<std::vector<int64_t>> list(2);
  for (int64_t step = 0; step <= 9; ++step) {
    if (step > 0) layer.pass(1);
    const int64_t last = layer.tokens() - 1;
    for (int64_t kv = 0; kv < 2; ++kv) {
      if (step % 4 == 0) {
        std::vector<double> top(static_cast<size_t>(last + 1), 0);
        for (int64_t h = kv * Layer::kGroup; h < (kv + 1) * Layer::kGroup; ++h) {
          const auto w = layer.weights(last, h);
          for (size_t i = 0; i < w.size(); ++i) top[i] = std::max(top[i], w[i]);
        }
        auto scores = test::pooled(top, 3);
        scores.pop_back();
        list[static_cast<size_t>(kv)] = test::best(scores, 11);
        list[static_cast<size_t>(kv)].push_back(last);
      }
      const auto seen = test::entries_of(layer.selected(kv, kv * Layer::kGroup, 0));
      if (step == 0) continue;  // of the prompt
      if (step % 4 == 0) {
        EXPECT_EQ(static_cast<int64_t>(seen.size()), last + 1) << step;
        continue;
      }
      // Of the picks the least attended went for each new token, which is seen itself.
      EXPECT_EQ(seen.size(), 12U);
      EXPECT_EQ(seen.back(), last);
      const auto& picks = list[static_cast<size_t>(kv)];
      int64_t kept = 0;
      for (int64_t entry : seen) kept += std::count(picks.begin(), picks.end(), entry);
      EXPECT_EQ(kept, 12 - step % 4) << step;
    }
  }
}

TEST(Recycled, WithoutRefreshIsWhatSnapkvKeeps) {
  Layer recycled("recycled:budget=16,threshold=-2", 8), snapkv("snapkv:budget=16,window=1", 8);
  for (Layer* layer : {&recycled, &snapkv}) {
    layer->policy().announce(50);
    layer->pass(50);
  }
  const auto moves = snapkv.compact();
  recycled.pass(1);
  for (int64_t kv = 0; kv < 2; ++kv) {
    std::vector<int64_t> kept(50);
    for (size_t i = 0; i < 50; ++i) kept[i] = static_cast<int64_t>(i);
    for (const Move& m : moves[static_cast<size_t>(kv)]) {
      kept[static_cast<size_t>(m.to)] = kept[static_cast<size_t>(m.from)];
    }
    kept.resize(16);
    auto seen = test::entries_of(recycled.selected(kv, kv * Layer::kGroup, 0));
    EXPECT_EQ(seen.back(), 50);
    seen.pop_back();
    // The new token has taken the place of one pick.
    EXPECT_EQ(seen.size(), 15U);
    EXPECT_TRUE(std::includes(kept.begin(), kept.end(), seen.begin(), seen.end()));
  }
}

// Queries that turn slowly, as those of a text do: what the last full step attended to keeps most
// of the attention of the next steps, and the older the list, the less. The newest tokens of the
// same number keep less, and a list of everything keeps all.
TEST(Recycled, TheListHoldsTheAttentionOfTheNextSteps) {
  constexpr int64_t kPrompt = 300, kBudget = 32;
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal(0, 1);
  std::vector<std::vector<float>> queries = {std::vector<float>(Layer::kHeads * Layer::kWidth)};
  for (float& x : queries[0]) x = 3 * normal(random);
  while (queries.size() < kPrompt + 51) {
    queries.push_back(queries.back());
    for (float& x : queries.back()) x = 0.98F * x + 0.6F * normal(random);
  }
  auto covered = [&](const std::string& spec) {
    Layer layer(spec, 23);
    layer.given_queries = queries;
    layer.policy().announce(kPrompt);
    for (int64_t first = 0; first < kPrompt;) {
      const int64_t rows =
          std::min(layer.policy().together(first, kPrompt - first), kPrompt - first);
      layer.pass(rows);
      first += rows;
    }
    std::vector<double> mass;  // of each decoded token, the mean of the heads
    for (int64_t step = 0; step < 50; ++step) {
      layer.pass(1);
      double sum = 0;
      for (int64_t h = 0; h < Layer::kHeads; ++h) {
        const auto w = layer.weights(layer.tokens() - 1, h);
        for (const int64_t i : test::entries_of(layer.selected(h / Layer::kGroup, h, 0))) {
          sum += w[static_cast<size_t>(i)] / Layer::kHeads;
        }
      }
      mass.push_back(sum);
    }
    return mass;
  };
  const std::string size = std::to_string(kBudget);
  const auto mine = covered("recycled:pool=1,threshold=-2,budget=" + size);
  const auto newest =
      covered("streaming:sinks=4,positions=original,local=" + std::to_string(kBudget - 4));
  const auto everything = covered("recycled:threshold=-2,budget=400");
  EXPECT_GT(mine[0], 2 * newest[0]);
  EXPECT_GT(mine[9], newest[9]);
  EXPECT_GT(mine[0], mine[49]);
  for (const double m : everything) EXPECT_NEAR(m, 1, 1e-12);
}

TEST(Recycled, RefusesKeysThatItsWayLeavesIdle) {
  EXPECT_THROW(make_guest<ContextPolicy>("recycled:stride=5"), Error);
  EXPECT_THROW(make_guest<ContextPolicy>("recycled:when=stride,threshold=0.5"), Error);
  EXPECT_THROW(make_guest<ContextPolicy>("recycled:when=stride,compare=2"), Error);
  EXPECT_NO_THROW(make_guest<ContextPolicy>("recycled:when=stride,stride=5,compare=5"));
}

std::vector<float> decoded(Network& network, const std::vector<int32_t>& ids, int64_t prompt,
                           const std::string& policy, PastCounters* counters = nullptr) {
  auto past = network.new_past(policy);
  past->announce(prompt);
  std::vector<float> vectors(ids.size() * 64), logits(ids.size() * 96);
  network.embed(ids, vectors);
  Segment s;
  s.past = past.get();
  s.vectors = vectors;
  s.count = s.wanted = static_cast<int64_t>(ids.size());
  s.logits = logits;
  network.forward({&s, 1});
  if (counters) *counters = past->counters();
  return logits;
}

TEST(Recycled, WithAFullStepAtEveryTokenIsFullAttention) {
  auto network = load_network(test::tiny_model(test::tiny_description(), 33));
  const auto ids = test::random_ids(9, 130, 96);
  const auto want = decoded(*network, ids, 90, "full");
  EXPECT_TRUE(
      test::same_bits(want, decoded(*network, ids, 90, "recycled:budget=16,when=stride,stride=1")));
  EXPECT_TRUE(test::same_bits(
      want, decoded(*network, ids, 90, "recycled:budget=16,compare=1,threshold=2")));
  EXPECT_FALSE(
      test::same_bits(want, decoded(*network, ids, 90, "recycled:budget=16,when=stride,stride=5")));
}

TEST(Recycled, CountsWhatItReads) {
  auto network = load_network(test::tiny_model(test::tiny_description(), 34));
  const auto ids = test::random_ids(10, 140, 96);
  PastCounters c;
  decoded(*network, ids, 90, "recycled:budget=16,when=stride,stride=10", &c);
  // Two layers of two KV heads; the prompt's queries and every tenth one see everything.
  int64_t want = 0, full = 0;
  for (int64_t token = 0; token < 140; ++token) {
    const bool all = token < 90 || (token - 89) % 10 == 0;
    want += 4 * (all ? token + 1 : 16);
    full += all ? 4 : 0;
  }
  EXPECT_EQ(c.keys_read, want);
  EXPECT_EQ(c.full_steps, full);
  EXPECT_EQ(c.reuses, 4 * 45);
}

}  // namespace
}  // namespace tessera
