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

// Memory is planned by what a policy says it will hold.
TEST(ContextLaws, NoPolicyHoldsMoreThanItSays) {
  const ModelFiles model = test::tiny_model(long_description(), 9);
  const auto network = load_network(model);
  for (const auto& guest : guests<ContextPolicy>()) {
    SCOPED_TRACE(guest.entry.name);
    for (const int64_t prompt : {0, 100}) {
      const auto past = network->new_past(guest.entry.name);
      if (prompt > 0) past->announce(prompt);
      const auto ids = random_ids(8, 140, model.description.vocabulary);
      std::vector<float> vectors(ids.size() * 64);
      network->embed(ids, vectors);
      int64_t most = 0, held = 0;
      for (int64_t at = 0, n = 0; at < 140; at += n) {
        n = at == 0 ? 100 : 8;
        Segment s;
        s.past = past.get();
        s.vectors =
            std::span(vectors).subspan(static_cast<size_t>(at * 64), static_cast<size_t>(n * 64));
        s.count = n;
        network->forward({&s, 1});
        const PastCounters c = past->counters();
        EXPECT_EQ(network->cache_bytes(), c.bytes_resident + c.bytes_policy);
        most = network->cache_bytes_for(guest.entry.name, at + n, n);
        held = std::max(held, c.bytes_resident + c.bytes_policy);
        EXPECT_LE(held, most) << at + n;
      }
      EXPECT_GE(4 * held, most);
      {
        const auto fork = past->fork();
        EXPECT_GE(network->cache_bytes(), past->counters().bytes_policy);
      }
      EXPECT_EQ(network->cache_bytes(),
                past->counters().bytes_resident + past->counters().bytes_policy);
    }
    EXPECT_EQ(network->cache_bytes(), 0);
  }
}

// Keys of 8 bits are read by full attention's kernel alone: whoever looks at keys is refused at the
// start, and whoever does not attends as ever.
TEST(ContextLaws, EveryPolicyThatLooksAtKeysRefusesEightBits) {
  const ModelFiles model = test::tiny_model(long_description(), 10);
  EngineOptions options;
  options.cache = CacheChoice::q8;
  const auto network = load_network(model, options);
  const auto ids = random_ids(11, 40, model.description.vocabulary);
  for (const auto& guest : guests<ContextPolicy>()) {
    SCOPED_TRACE(guest.entry.name);
    auto policy = make_guest<ContextPolicy>(guest.entry.name);
    policy->attach({2, 4, 2, 16, 8192, true, false});
    if (policy->chooses()) {
      EXPECT_THROW(network->new_past(guest.entry.name), Error);
    } else {
      EXPECT_FALSE(run_pieces(*network, ids, {20, 1}, guest.entry.name).empty());
    }
  }
}

}  // namespace
}  // namespace tessera
