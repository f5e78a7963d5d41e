// Oracle: scores of all cached keys in double precision, voted, sorted and re-numbered by plain
// loops; streaming with slot positions where nothing is chosen.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/context/layer_fixture.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

using test::Layer;

constexpr int64_t kSinks = 3, kChosen = 6, kLocal = 8;

// What rows first .. first + count - 1 choose together, sinks and newest ones included.
std::vector<int64_t> expected(const Layer& layer, int64_t first, int64_t count) {
  const int64_t end = first + count;
  std::vector<double> votes(static_cast<size_t>(end - kSinks - kLocal), 0);
  for (int64_t h = 0; h < Layer::kHeads; ++h) {
    std::vector<double> scores(votes.size(), 0);
    double total = 0;
    for (size_t c = 0; c < scores.size(); ++c) {
      for (int64_t i = 0; i < count; ++i) {
        scores[c] += layer.score(first + i, h, kSinks + static_cast<int64_t>(c),
                                 static_cast<double>(kLocal + i)) /
                     static_cast<double>(count);
      }
      total += std::exp(scores[c]);
    }
    for (size_t c = 0; c < scores.size(); ++c) votes[c] += std::exp(scores[c]) / total;
  }
  std::vector<int64_t> out;
  for (int64_t i = 0; i < kSinks; ++i) out.push_back(i);
  for (int64_t i : test::best(votes, kChosen)) out.push_back(kSinks + i);
  for (int64_t i = end - kLocal; i < end; ++i) out.push_back(i);
  return out;
}

const char* const kSpec = "token-select:sinks=3,k=6,local=8,chunk=8,question=4,theta=2,bits=16";

TEST(TokenSelect, ChoosesWhatAllHeadsVoteFor) {
  Layer layer(kSpec, 11);
  layer.policy().announce(60);
  for (int64_t first = 0; first < 66;) {
    const int64_t rows = layer.policy().together(first, 100);
    EXPECT_EQ(rows, first < 56 ? 8 : first < 60 ? 4 : 1) << first;
    layer.pass(rows);
    if (first + rows > kSinks + kChosen + kLocal) {
      for (int64_t kv = 0; kv < 2; ++kv) {
        const auto got = test::entries_of(layer.selected(kv, kv * Layer::kGroup, rows - 1));
        EXPECT_EQ(got,
                  first < 56 ? expected(layer, first, rows) : expected(layer, first + rows - 1, 1))
            << first;
      }
    }
    first += rows;
  }
}

// Keys stand in slots 0, 1, .. and the last query of a pass in the last slot: what a run says of
// its distance must be that.
TEST(TokenSelect, SeesTheChosenAsASequenceOfTheirOwn) {
  Layer layer(kSpec, 12);
  layer.policy().announce(60);
  layer.pass(8);
  layer.pass(8);
  layer.pass(8);
  for (int64_t row : {0, 3, 7}) {
    int64_t slot = 0;
    for (const tessera::Run& run : layer.selected(0, 0, row)) {
      // Slot of the query less slot of the run's first key.
      const int64_t distance = kSinks + kChosen + kLocal - 8 + row - slot;
      EXPECT_EQ(run.query_position - run.begin, distance) << row << " " << run.begin;
      slot += run.end - run.begin;
    }
    EXPECT_EQ(slot, kSinks + kChosen + kLocal - 7 + row);
  }
}

// Votes say nothing of where a token stands: other places of the same keys get the same votes.
TEST(TokenSelect, VotesGoWithTheKeysWhereverTheyStand) {
  constexpr int64_t kTokens = 60;
  Layer plain(kSpec, 17), other(kSpec, 18);
  for (int64_t i = 0; i < kTokens; ++i) plain.pass(1);
  other.given_queries = plain.plain_queries;
  other.given_keys = plain.plain_keys;
  // Tokens kSinks .. kTokens - kLocal - 1 are chosen from.
  std::vector<int64_t> from(kTokens);
  std::iota(from.begin(), from.end(), 0);
  std::shuffle(from.begin() + kSinks, from.end() - kLocal, std::mt19937_64(19));
  for (size_t i = 0; i < from.size(); ++i) {
    other.given_keys[i] = plain.plain_keys[static_cast<size_t>(from[i])];
  }
  for (int64_t i = 0; i < kTokens; ++i) other.pass(1);
  std::vector<int64_t> found;
  for (const int64_t i : test::entries_of(other.selected(0, 0, 0))) {
    found.push_back(from[static_cast<size_t>(i)]);
  }
  EXPECT_FALSE(std::is_sorted(found.begin(), found.end()));
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, test::entries_of(plain.selected(0, 0, 0)));
}

TEST(TokenSelect, UsesAListAgainWhileTheQueryStays) {
  for (const auto& [theta, again] :
       std::vector<std::pair<std::string, bool>>{{"-1", true}, {"2", false}}) {
    Layer layer("token-select:sinks=3,k=6,local=8,chunk=8,theta=" + theta, 13);
    for (int64_t i = 0; i < 60; ++i) layer.pass(1);
    const PolicyCounters c = layer.policy().counters();
    // Tokens 18 .. 60 choose; a list serves at most local - 1 tokens.
    EXPECT_EQ(c.selections + c.reuses, 43);
    EXPECT_EQ(c.reuses, again ? 43 - (43 + 7) / 8 : 0);
  }
}

TEST(TokenSelect, RefusesWhatCannotWork) {
  EXPECT_THROW(make_guest<ContextPolicy>("token-select:local=64,chunk=65"), Error);
  EXPECT_THROW(make_guest<ContextPolicy>("token-select:pool=4"), Error);
  EXPECT_THROW(make_guest<ContextPolicy>("token-select:theta=1.5"), Error);
  auto network = load_network(test::tiny_model(test::tiny_description(), 35));
  EXPECT_THROW(network->new_past("token-select"), Error);
}

std::vector<float> logits_of(Network& network, const std::vector<int32_t>& ids,
                             const std::string& policy) {
  auto past = network.new_past(policy);
  std::vector<float> vectors(ids.size() * 64), logits(ids.size() * 96);
  network.embed(ids, vectors);
  Segment s;
  s.past = past.get();
  s.vectors = vectors;
  s.count = s.wanted = static_cast<int64_t>(ids.size());
  s.logits = logits;
  network.forward({&s, 1});
  return logits;
}

TEST(TokenSelect, WithNothingToChooseIsStreaming) {
  auto network = load_network(test::tiny_model(test::tiny_description(), 36));
  const auto ids = test::random_ids(14, 90, 96);
  const auto want = logits_of(*network, ids, "streaming:sinks=4,local=16");
  const auto got = logits_of(*network, ids, "token-select:sinks=4,k=0,local=16,chunk=16");
  // Single keys are read from copies of 16 bits.
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 4e-4) << i;
}

}  // namespace
}  // namespace tessera
