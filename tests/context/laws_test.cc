// Laws of the context seam, for every guest of the list.
#include <gtest/gtest.h>

#include "tessera/network/policy.h"
#include "tests/base/guest_laws.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

using test::random_ids;
using test::run_pieces;

// The standard budgets of all policies fit its window.
ModelDescription long_description() {
  ModelDescription d = test::tiny_description();
  d.context = 8192;
  return d;
}

TEST(ContextLaws, EveryPolicyKeepsTheLawsOfGuests) { expect_guest_laws<ContextPolicy>(); }

// Oracle: the default policy on a small random model, to the bit.
TEST(ContextLaws, EveryPolicyIsTheDefaultAtItsDeclaredLimit) {
  const ModelFiles model = test::tiny_model(long_description(), 5);
  const auto network = load_network(model);
  const auto ids = random_ids(6, 90, model.description.vocabulary);
  const auto want = run_pieces(*network, ids, {50, 1, 1});
  for (const auto& guest : guests<ContextPolicy>()) {
    if (guest.entry.limit.starts_with("oracle:")) continue;
    SCOPED_TRACE(guest.entry.limit);
    EXPECT_EQ(run_pieces(*network, ids, {50, 1, 1}, guest.entry.limit), want);
  }
}

// Oracle: the same text in one call.
TEST(ContextLaws, EveryPolicyGivesTheSameHoweverATextIsCut) {
  const ModelFiles model = test::tiny_model(long_description(), 7);
  const auto network = load_network(model);
  const auto ids = random_ids(8, 60, model.description.vocabulary);
  for (const auto& guest : guests<ContextPolicy>()) {
    SCOPED_TRACE(guest.entry.name);
    const auto want = run_pieces(*network, ids, {}, guest.entry.name);
    for (int64_t cut : {1, 17, 59}) {
      EXPECT_EQ(run_pieces(*network, ids, {cut}, guest.entry.name), want) << "cut at " << cut;
    }
  }
}

// What a query sees is ascending, disjoint, in the past, and holds the query itself; what is freed
// is never seen again.
TEST(ContextLaws, EveryPolicySelectsWhatTheSeamPromises) {
  for (const auto& guest : guests<ContextPolicy>()) {
    SCOPED_TRACE(guest.entry.name);
    const auto policy = guest.make(Spec::parse(guest.entry.name));
    policy->attach({.layers = 2,
                    .heads = 4,
                    .kv_heads = 2,
                    .head_width = 16,
                    .context = 8192,
                    .rotary = true});
    const std::vector<float> queries(2 * 16, 0.5f);
    std::vector<tessera::Run> freed;
    for (int64_t index = 0; index < 3000; index = index * 3 / 2 + 1) {
      std::vector<tessera::Run> runs;
      policy->select({.index = index, .position = index, .queries = queries}, runs);
      ASSERT_FALSE(runs.empty());
      int64_t last = 0;
      for (const tessera::Run& run : runs) {
        EXPECT_GE(run.begin, last);
        EXPECT_LT(run.begin, run.end);
        last = run.end;
        for (const tessera::Run& gone : freed) {
          EXPECT_TRUE(run.end <= gone.begin || run.begin >= gone.end) << run.begin;
        }
      }
      EXPECT_EQ(last, index + 1);
      freed.clear();
      policy->evict(index + 1, freed);
    }
  }
}

}  // namespace
}  // namespace tessera
