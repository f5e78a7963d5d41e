#include "tessera/context/every_nth.h"

#include <set>

#include <gtest/gtest.h>

namespace tessera {
namespace {

std::set<int64_t> entries_of(const std::vector<Run>& runs) {
  std::set<int64_t> out;
  for (const Run& run : runs) {
    for (int64_t i = run.begin; i < run.end; ++i) out.insert(i);
  }
  return out;
}

// Oracle: the definition, entry by entry.
TEST(EveryNth, SeesTheNewestTokensAndEveryNthOlderOne) {
  for (int64_t n = 1; n < 5; ++n) {
    for (int64_t local = 1; local < 9; ++local) {
      const auto policy = every_nth({.n = n, .local = local});
      for (int64_t index = 0; index < 30; ++index) {
        SCOPED_TRACE(testing::Message() << "n " << n << " local " << local << " index " << index);
        std::set<int64_t> want;
        for (int64_t i = 0; i <= index; ++i) {
          if (i % n == 0 || i > index - local) want.insert(i);
        }
        std::vector<tessera::Run> seen;
        policy->select({.index = index, .position = index, .queries = {}}, seen);
        EXPECT_EQ(entries_of(seen), want);
      }
    }
  }
}

// Oracle: what select() answers later.
TEST(EveryNth, FreesWhatNoLaterQuerySeesAndNothingElse) {
  const auto policy = every_nth({.n = 3, .local = 5});
  for (int64_t entries = 0; entries < 30; ++entries) {
    SCOPED_TRACE(entries);
    std::set<int64_t> later;
    for (int64_t index = entries; index < 60; ++index) {
      std::vector<tessera::Run> seen;
      policy->select({.index = index, .position = index, .queries = {}}, seen);
      later.merge(entries_of(seen));
    }
    std::vector<tessera::Run> freed;
    policy->evict(entries, freed);
    const std::set<int64_t> gone = entries_of(freed);
    for (int64_t i = 0; i < entries; ++i) EXPECT_NE(gone.contains(i), later.contains(i)) << i;
  }
}

}  // namespace
}  // namespace tessera
