#include "tessera/files/memory_plan.h"

#include <gtest/gtest.h>

#include "tests/files/tiny_description.h"

namespace tessera {
namespace {

struct NoWeights final : Checkpoint {
  Parameter weight(const Place&) const override { return {}; }
  Parameter bias(const Place&) const override { return {}; }
  void release(const Parameter&) const override {}
};

ModelFiles small() {
  ModelFiles m;
  m.description = test::tiny_description();
  m.checkpoint = std::make_shared<NoWeights>();
  return m;
}

// Oracle: keys and values, 2 layers, 2 heads of 16, 2 bytes each.
TEST(MemoryPlan, CountsTheCacheOfATokenAndThePeakOfAContext) {
  MemoryPlan one = plan_memory(small(), 600, int64_t{1} << 30);
  MemoryPlan two = plan_memory(small(), 700, int64_t{1} << 30);
  EXPECT_EQ(one.cache_per_token, 2 * 2 * 2 * 16 * 2);
  EXPECT_EQ(one.peak,
            one.program + one.weights + one.mapped + one.scratch + 600 * one.cache_per_token);
  EXPECT_GT(two.peak - one.peak, 100 * one.cache_per_token);
  EXPECT_EQ(plan_memory(small(), 0, 0).context, 512);
}

TEST(MemoryPlan, TheLongestContextJustFits) {
  const MemoryPlan plan = plan_memory(small(), 600, int64_t{1} << 30);
  EXPECT_LE(plan_memory(small(), plan.longest_context, 0).peak, int64_t{1} << 30);
  EXPECT_GT(plan_memory(small(), plan.longest_context + 1, 0).peak, int64_t{1} << 30);
  EXPECT_EQ(plan_memory(small(), 600, 1000).longest_context, 0);
}

}  // namespace
}  // namespace tessera
