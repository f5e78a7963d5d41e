// Oracle: what select() gives. Copies hold those entries, their keys turned so that each stands as
// far from the query as the run says, and the rest is the other entries.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/network/copied_keys.h"
#include "tests/context/layer_fixture.h"

namespace tessera {
namespace {

using test::Layer;

// Keys and values of copies, by place.
struct Copied {
  std::vector<float> key, value;
};
std::vector<Copied> places_of(const CopiedKeys& copies) {
  std::vector<Copied> out(static_cast<size_t>(copies.size()));
  for (int64_t i = 0; i < copies.size(); ++i) {
    AttendChunk call;
    copies.fill(call, i / kChunkKeys);
    const auto block = i % kChunkKeys / kBlockKeys, at = i % kBlockKeys;
    for (int64_t d = 0; d < Layer::kWidth; ++d) {
      out[static_cast<size_t>(i)].key.push_back(
          static_cast<const float*>(call.keys[block])[d * kBlockKeys + at]);
      out[static_cast<size_t>(i)].value.push_back(
          static_cast<const float*>(call.values[block])[at * Layer::kWidth + d]);
    }
  }
  return out;
}

class CopiesOfPolicies : public ::testing::TestWithParam<std::string> {};

TEST_P(CopiesOfPolicies, HoldWhatIsSelected) {
  Layer layer(GetParam(), 51);
  layer.policy().announce(100);
  for (int64_t first = 0; first < 100;) {
    const int64_t rows = layer.policy().together(first, 100 - first);
    layer.pass(rows);
    first += rows;
  }
  std::map<std::vector<float>, int64_t> entry_of;  // by the value, which no one turns
  int64_t copied = 0;
  for (int step = 0; step < 80; ++step) {
    if (step == 50) {  // another prompt, after which lists of before are out of date
      layer.policy().announce(layer.tokens() + 30);
      while (layer.tokens() < 180) {
        layer.pass(layer.policy().together(layer.tokens(), 180 - layer.tokens()));
      }
    }
    layer.pass(1);
    const LayerView& view = layer.view();
    const int64_t last = layer.tokens() - 1;
    for (int64_t kv = 0; kv < Layer::kKvHeads; ++kv) {
      const StepView s{0, kv, last, last, {}, kv * Layer::kGroup, &view, 0};
      const Copies copies = layer.policy().copies(s);
      if (!copies.keys) continue;
      ++copied;
      std::map<int64_t, int64_t> turns;  // of entries, until they are found
      std::vector<tessera::Run> runs;
      layer.policy().select(s, runs);
      for (const tessera::Run& run : runs) {
        for (int64_t e = run.begin; e < run.end; ++e) {
          if (e >= copies.rest.begin && e < copies.rest.end) {
            EXPECT_EQ(run.query_position, copies.rest.query_position);
          } else {
            turns[e] = copies.query_position - run.query_position;
          }
        }
      }
      EXPECT_EQ(runs.back().end, last + 1);
      entry_of.clear();
      for (int64_t e = 0; e <= last; ++e) {
        std::vector<float> value(Layer::kWidth);
        view.value(kv, e, value.data());
        entry_of[value] = e;
      }
      for (const Copied& one : places_of(*copies.keys)) {
        ASSERT_TRUE(entry_of.contains(one.value));
        const int64_t entry = entry_of[one.value];
        ASSERT_TRUE(turns.contains(entry)) << entry;
        std::vector<float> key(Layer::kWidth);
        view.key(kv, entry, key.data());
        view.turn(key.data(), turns[entry]);
        // Copies of un-rotated keys have 16 bits.
        for (size_t d = 0; d < key.size(); ++d) EXPECT_NEAR(one.key[d], key[d], 5e-4);
        turns.erase(entry);
      }
      EXPECT_TRUE(turns.empty());
    }
  }
  EXPECT_GT(copied, 100);
}

INSTANTIATE_TEST_SUITE_P(
    Specs, CopiesOfPolicies,
    ::testing::Values("token-select:sinks=3,k=20,local=10,chunk=8,question=4,theta=0",
                      "token-select:sinks=3,k=20,local=10,chunk=8,question=4,theta=2",
                      "token-select:sinks=0,k=17,local=12,chunk=8,positions=original,theta=0",
                      "infllm:sinks=5,local=10,k=2,block=16,representatives=2,chunk=8,question=4",
                      "infllm:sinks=3,local=10,k=3,block=6,representatives=2,chunk=8,question=4",
                      "recycled:budget=40,when=stride,stride=4"));

}  // namespace
}  // namespace tessera
