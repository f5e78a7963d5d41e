#include "tessera/base/pool.h"

#include <vector>

#include <gtest/gtest.h>

namespace tessera {
namespace {

// Every thread adds its share of a stage; after the barrier all of it must be visible to all.
TEST(Pool, StagesSeeEverythingOfTheStageBefore) {
  Pool& pool = Pool::instance();
  for (int64_t threads : {1, 2, 3, 5}) {
    pool.set_threads(threads);
    std::vector<int64_t> a(1000), b(1000), wrong(static_cast<size_t>(threads));
    for (int round = 0; round < 200; ++round) {
      pool.run([&](int64_t thread, Team& team) {
        Share s = share_of(1000, thread, team.size());
        for (int64_t i = s.begin; i < s.end; ++i) a[i] = i + round;
        team.barrier();
        for (int64_t i = s.begin; i < s.end; ++i) b[i] = a[999 - i];
        team.barrier();
        for (int64_t i = 0; i < 1000; ++i) wrong[thread] += b[i] != 999 - i + round;
      });
    }
    for (int64_t w : wrong) EXPECT_EQ(w, 0) << threads;
  }
  pool.set_threads(1);
}

TEST(Pool, ClaimsGiveEachPartOnceInEveryStage) {
  Pool& pool = Pool::instance();
  for (int64_t threads : {1, 2, 4}) {
    pool.set_threads(threads);
    std::vector<std::atomic<int>> taken(40 * 5);
    pool.run([&](int64_t, Team& team) {
      for (int64_t stage = 0; stage < 5; ++stage) {
        for (int64_t i; (i = team.claim(stage)) < 40;) taken[stage * 40 + i]++;
        team.barrier();
      }
    });
    for (auto& t : taken) EXPECT_EQ(t.load(), 1);
  }
  pool.set_threads(1);
}

TEST(Pool, SharesCoverEverythingOnce) {
  for (int64_t count : {0, 1, 7, 64, 1000}) {
    for (int64_t threads : {1, 2, 3, 7}) {
      int64_t next = 0;
      for (int64_t t = 0; t < threads; ++t) {
        Share s = share_of(count, t, threads, 16);
        EXPECT_EQ(s.begin, next);
        EXPECT_GE(s.end, s.begin);
        next = s.end;
      }
      EXPECT_EQ(next, count);
    }
  }
}

}  // namespace
}  // namespace tessera
