// Oracle: the cache itself. What copies() holds is, entry by entry, what select() lists.
#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/network/copied_keys.h"
#include "tests/context/layer_fixture.h"

namespace tessera {
namespace {

using test::Layer;
using Line = std::vector<float>;  // a key, then its value

// All copies, sorted: places say nothing of the order of entries.
std::vector<Line> copied(const CopiedKeys& copies) {
  std::vector<Line> out;
  for (int64_t chunk = 0; chunk * kChunkKeys < copies.size(); ++chunk) {
    AttendChunk call;
    copies.fill(call, chunk);
    const int64_t n = std::min(kChunkKeys, copies.size() - chunk * kChunkKeys);
    for (int64_t i = 0; i < n; ++i) {
      const auto* keys = static_cast<const float*>(call.keys[i / kBlockKeys]);
      const auto* values = static_cast<const float*>(call.values[i / kBlockKeys]);
      const int64_t at = i % kBlockKeys;
      Line line;
      for (int64_t d = 0; d < Layer::kWidth; ++d) line.push_back(keys[d * kBlockKeys + at]);
      for (int64_t d = 0; d < Layer::kWidth; ++d) line.push_back(values[at * Layer::kWidth + d]);
      out.push_back(std::move(line));
    }
  }
  std::ranges::sort(out);
  return out;
}

std::vector<Line> listed(const LayerView& view, int64_t kv, const std::vector<int64_t>& entries) {
  std::vector<Line> out;
  for (const int64_t e : entries) {
    Line line(static_cast<size_t>(2 * Layer::kWidth));
    view.key(kv, e, line.data());
    view.value(kv, e, line.data() + Layer::kWidth);
    out.push_back(std::move(line));
  }
  std::ranges::sort(out);
  return out;
}

// How many steps read copies.
int64_t follow(Layer& layer, ContextPolicy& policy, int64_t steps) {
  int64_t partial = 0;
  for (int64_t step = 0; step < steps; ++step) {
    layer.pass(1);
    if (&policy != &layer.policy()) {
      for (int64_t kv = 0; kv < Layer::kKvHeads; ++kv) policy.observe(layer.view(), kv);
    }
    for (int64_t kv = 0; kv < Layer::kKvHeads; ++kv) {
      const int64_t last = layer.tokens() - 1;
      const StepView s{0, kv, last, last, {}, kv * Layer::kGroup, &layer.view(), 0};
      std::vector<Run> runs;
      policy.select(s, runs);
      const CopiedKeys* copies = policy.copies(s).keys;
      const auto entries = test::entries_of(runs);
      if (!copies) {
        EXPECT_EQ(static_cast<int64_t>(entries.size()), last + 1);
        continue;
      }
      ++partial;
      EXPECT_EQ(copied(*copies), listed(layer.view(), kv, entries)) << step << " " << kv;
    }
  }
  return partial;
}

// 90 steps on one list of 70: all picks are replaced, then what came after them.
TEST(Recycled, CopiesAreOfTheEntriesThatItLists) {
  Layer layer("recycled:budget=70,threshold=-2,pool=1", 31);
  layer.policy().announce(200);
  layer.pass(200);
  EXPECT_EQ(follow(layer, layer.policy(), 90), 180);
}

// Lists that are made anew, in blocks that held other entries.
TEST(Recycled, CopiesFollowNewLists) {
  Layer layer("recycled:budget=300,when=stride,stride=4", 32);
  layer.policy().announce(20);
  layer.pass(20);  // grows through the budget
  EXPECT_GT(follow(layer, layer.policy(), 420), 100);
}

// Forks go on by themselves.
TEST(Recycled, AForkHasCopiesOfItsOwn) {
  Layer layer("recycled:budget=30,when=stride,stride=7", 33);
  layer.policy().announce(100);
  layer.pass(100);
  follow(layer, layer.policy(), 3);
  const auto fork = layer.policy().clone();
  const int64_t last = layer.tokens() - 1;
  const StepView s{0, 0, last, last, {}, 0, &layer.view(), 0};
  ASSERT_TRUE(fork->copies(s).keys);
  const auto before = copied(*fork->copies(s).keys);
  follow(layer, layer.policy(), 2);
  EXPECT_EQ(copied(*fork->copies(s).keys), before);
  follow(layer, layer.policy(), 12);
}

// A second prompt is read after tokens were decoded: its lists are of the whole text.
TEST(Recycled, CopiesFollowASecondPrompt) {
  Layer layer("recycled:budget=40,threshold=-2", 34);
  layer.policy().announce(100);
  layer.pass(100);
  follow(layer, layer.policy(), 20);
  layer.policy().announce(layer.tokens() + 60);
  layer.pass(30);
  layer.pass(30);
  EXPECT_EQ(follow(layer, layer.policy(), 60), 120);
}

}  // namespace
}  // namespace tessera
