// SnapKV and H2O. Oracle: attention weights in double precision, pooled and sorted by plain loops.
#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/context/layer_fixture.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

using test::Layer;

// The entries that remain, as tokens, after moves over `tokens` of them down to `kept`.
std::vector<int64_t> after(int64_t tokens, int64_t kept, const std::vector<Move>& moves) {
  std::vector<int64_t> out(static_cast<size_t>(tokens));
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<int64_t>(i);
  for (const Move& m : moves) {
    out[static_cast<size_t>(m.to)] = out[static_cast<size_t>(m.from)];
  }
  out.resize(static_cast<size_t>(kept));
  return out;
}

TEST(Snapkv, KeepsWhatTheLastQueriesAttendToMost) {
  Layer layer("snapkv:budget=20,window=5,pool=3", 3);
  layer.policy().announce(60);
  layer.pass(40);
  EXPECT_TRUE(layer.compact()[0].empty());
  layer.pass(20);
  const auto moves = layer.compact();
  EXPECT_EQ(layer.store().entries(), 20);
  for (int64_t kv = 0; kv < Layer::kKvHeads; ++kv) {
    std::vector<double> sums(60, 0);
    for (int64_t row = 55; row < 60; ++row) {
      std::vector<double> top(60, 0);
      for (int64_t h = kv * Layer::kGroup; h < (kv + 1) * Layer::kGroup; ++h) {
        const auto w = layer.weights(row, h);
        for (size_t i = 0; i < w.size(); ++i) top[i] = std::max(top[i], w[i]);
      }
      for (size_t i = 0; i < 60; ++i) sums[i] += top[i];
    }
    auto scores = test::pooled(sums, 3);
    scores.resize(55);
    auto want = test::best(scores, 15);
    for (int64_t i = 55; i < 60; ++i) want.push_back(i);
    EXPECT_EQ(after(60, 20, moves[static_cast<size_t>(kv)]), want) << kv;
  }
}

TEST(H2o, KeepsTheNewestAndWhatReceivedMost) {
  Layer layer("h2o:budget=12,local=5", 4);
  layer.policy().announce(30);
  layer.pass(30);
  auto moves = layer.compact();
  std::vector<std::vector<int64_t>> held;
  std::vector<std::vector<double>> sums(2, std::vector<double>(30, 0));
  for (size_t kv = 0; kv < 2; ++kv) {
    for (int64_t row = 0; row < 30; ++row) {
      for (int64_t h = 0; h < Layer::kGroup; ++h) {
        const auto w = layer.weights(row, static_cast<int64_t>(kv) * Layer::kGroup + h);
        for (size_t i = 0; i < w.size(); ++i) sums[kv][i] += w[i];
      }
    }
    std::vector<double> old(sums[kv].begin(), sums[kv].begin() + 25);
    auto want = test::best(old, 7);
    for (int64_t i = 25; i < 30; ++i) want.push_back(i);
    held.push_back(after(30, 12, moves[kv]));
    auto sorted = held[kv];
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(sorted, want) << kv;
  }
  // One more token: of what is not among the newest five, the least attended entry goes.
  layer.pass(1);
  moves = layer.compact();
  EXPECT_EQ(layer.store().entries(), 12);
  for (size_t kv = 0; kv < 2; ++kv) {
    held[kv].push_back(30);
    std::vector<double> received(13, 0);
    for (int64_t h = 0; h < Layer::kGroup; ++h) {
      double total = 0;
      std::vector<double> w;
      for (int64_t token : held[kv]) {
        w.push_back(std::exp(0.25 * layer.score(30, static_cast<int64_t>(kv) * Layer::kGroup + h,
                                                token, static_cast<double>(30 - token))));
        total += w.back();
      }
      for (size_t i = 0; i < 13; ++i) received[i] += w[i] / total;
    }
    size_t least = 13;
    for (size_t i = 0; i < 13; ++i) {
      const int64_t token = held[kv][i];
      if (token < 30) received[i] += sums[kv][static_cast<size_t>(token)];
      if (token >= 26) continue;
      if (least == 13 || received[i] < received[least]) least = i;
    }
    ASSERT_EQ(moves[kv].size(), 1U);
    EXPECT_EQ(moves[kv][0].from, 12);
    EXPECT_EQ(moves[kv][0].to, static_cast<int64_t>(least)) << kv;
  }
}

TEST(Evicting, FreesMemoryAndRefusesToGoBack) {
  auto network = load_network(test::tiny_model(test::tiny_description(), 31));
  const int64_t block = memory_of(*network).cache_bytes_per_token * 64;
  for (const char* policy : {"snapkv:budget=64,window=8", "h2o:budget=64,local=16"}) {
    SCOPED_TRACE(policy);
    auto past = network->new_past(policy);
    past->announce(300);
    const auto ids = test::random_ids(5, 320, 96);
    std::vector<float> vectors(ids.size() * 64);
    network->embed(ids, vectors);
    Segment s;
    s.past = past.get();
    s.vectors = vectors;
    s.count = 320;
    network->forward({&s, 1});
    const PastCounters c = past->counters();
    EXPECT_EQ(past->length(), 320);
    EXPECT_EQ(c.tokens_seen, 320);
    EXPECT_LE(c.bytes_resident, 2 * block);
    EXPECT_EQ(c.entries_freed + c.entries_resident, 320 * 2 * 2);
    EXPECT_LT(c.keys_read, c.keys_possible);
    EXPECT_FALSE(past->can_truncate());
    EXPECT_THROW(past->truncate(10), Error);
  }
}

// A fork goes on from where the first one was, and neither disturbs the other.
TEST(Evicting, ForksAreIndependent) {
  auto network = load_network(test::tiny_model(test::tiny_description(), 32));
  const auto ids = test::random_ids(6, 120, 96);
  for (const char* policy :
       {"snapkv:budget=32,window=8", "h2o:budget=32,local=16", "recycled:budget=32,when=stride",
        "quest:budget=32,page=4", "token-select:sinks=4,k=8,local=16,chunk=16,question=8"}) {
    SCOPED_TRACE(policy);
    auto run = [&](Past& past, size_t begin, size_t end) {
      std::vector<float> vectors((end - begin) * 64), logits(96);
      network->embed(std::span(ids).subspan(begin, end - begin), vectors);
      Segment s;
      s.past = &past;
      s.vectors = vectors;
      s.count = static_cast<int64_t>(end - begin);
      s.wanted = 1;
      s.logits = logits;
      network->forward({&s, 1});
      return logits;
    };
    auto straight = network->new_past(policy), first = network->new_past(policy);
    straight->announce(90);
    first->announce(90);
    run(*straight, 0, 100);
    run(*first, 0, 100);
    auto fork = first->fork();
    run(*first, 105, 120);
    EXPECT_EQ(run(*fork, 100, 120), run(*straight, 100, 120));
  }
}

}  // namespace
}  // namespace tessera
