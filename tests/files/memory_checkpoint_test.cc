#include "tessera/files/memory_checkpoint.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/files/tiny_description.h"

namespace tessera {
namespace {

ModelDescription llama() {
  ModelDescription d = test::tiny_description();
  d.family = "llama";
  return d;
}

TEST(MemoryCheckpoint, HoldsWhatTheDescriptionAsksForUnderTheFamilysNames) {
  MemoryCheckpoint checkpoint(llama());
  // Table, last norm, head; two norms, four matrices of attention and three behind it a layer.
  EXPECT_EQ(checkpoint.places().size(), 3u + 2 * 9u);
  const Parameter q = checkpoint.weight({Part::query, 1});
  EXPECT_EQ(q.module, "model.layers.1.self_attn.q_proj");
  EXPECT_EQ(q.tensor, "model.layers.1.self_attn.q_proj.weight");
  EXPECT_EQ(q.rows, 64);
  EXPECT_EQ(q.columns, 64);
  EXPECT_EQ(checkpoint.weight({Part::output}).module, "lm_head");
  EXPECT_EQ(checkpoint.weight({Part::final_norm}).rows, 1);
  EXPECT_FALSE(checkpoint.weight({Part::router, 0}).present());
  EXPECT_FALSE(checkpoint.weight({Part::query, 2}).present());
  EXPECT_FALSE(checkpoint.bias({Part::query, 1}).present());
  for (const Place& place : checkpoint.places()) {
    const Parameter p = checkpoint.weight(place);
    EXPECT_EQ(static_cast<int64_t>(checkpoint.values(place).size()), p.rows * p.columns);
  }
}

TEST(MemoryCheckpoint, GivesWhatWasWritten) {
  MemoryCheckpoint checkpoint(llama());
  const Place place{Part::key, 0};
  const auto values = checkpoint.values(place);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const std::vector<float> read = read_all(checkpoint.weight(place));
  EXPECT_TRUE(std::equal(read.begin(), read.end(), values.begin(), values.end()));
}

TEST(MemoryCheckpoint, RefusesWhatItCannotHold) {
  ModelDescription d = llama();
  d.family = "no such family";
  EXPECT_THROW(MemoryCheckpoint{d}, Error);
  d = llama();
  d.experts = 2;
  EXPECT_THROW(MemoryCheckpoint{d}, Error);
}

}  // namespace
}  // namespace tessera
