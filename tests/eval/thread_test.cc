// Oracle: a solver that reads nothing but the prompt; what an item must be.
#include "tessera/eval/thread.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tessera/base/error.h"

namespace tessera {
namespace {

int64_t characters(const std::string& text) { return static_cast<int64_t>(text.size()); }

TEST(Thread, TheSolverFindsEveryAnswerAndDirectionsHold) {
  for (ThreadDirection direction :
       {ThreadDirection::forward, ThreadDirection::backward, ThreadDirection::random}) {
    for (NeedleUnit unit : {NeedleUnit::digits5, NeedleUnit::digits7, NeedleUnit::hex8}) {
      for (int64_t steps : {1, 2, 5, 20}) {
        const ThreadOptions options{steps, direction, unit, 3};
        for (uint64_t index = 0; index < 5; ++index) {
          const NeedleItem item = make_thread(options, 0.5, index, 3000, characters);
          EXPECT_LE(characters(item.prompt()), 3000);
          EXPECT_GE(characters(item.prompt()), 2960);
          EXPECT_EQ(solve_thread(item.prompt()), item.answer);
          EXPECT_EQ(item.question.find(item.answer), std::string::npos);
          EXPECT_EQ(item.prompt(), make_thread(options, 0.5, index, 3000, characters).prompt());
          // Where the pairs of the thread stand, in its order.
          std::vector<size_t> places;
          std::string key = item.question.substr(item.question.find('"') + 1);
          key.resize(key.find('"'));
          for (int64_t i = 0; i < steps; ++i) {
            const size_t at = item.text.find("\"" + key + "\": \"");
            ASSERT_NE(at, std::string::npos);
            places.push_back(at);
            key = item.text.substr(at + key.size() + 5);
            key.resize(key.find('"'));
          }
          EXPECT_EQ(key, item.answer);
          if (direction == ThreadDirection::forward) {
            EXPECT_TRUE(std::is_sorted(places.begin(), places.end()));
          } else if (direction == ThreadDirection::backward) {
            EXPECT_TRUE(std::is_sorted(places.rbegin(), places.rend()));
          }
        }
      }
    }
  }
}

TEST(Thread, ASingleNeedleStandsAtItsDepth) {
  for (double depth : {0.0, 0.25, 1.0}) {
    const NeedleItem item = make_thread({.steps = 1}, depth, 1, 4000, characters);
    const double at =
        static_cast<double>(item.text.find(item.answer)) / static_cast<double>(item.text.size());
    EXPECT_NEAR(at, depth, 0.02);
  }
}

TEST(Thread, WhatCannotFitIsRefusedWithTheLeastLength) {
  try {
    make_thread({.steps = 20}, 0, 0, 300, characters);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("Give at least"), std::string::npos) << error.what();
  }
  EXPECT_EQ(solve_thread("nothing"), "");
  EXPECT_EQ(solve_thread("{} what is \"a\"?"), "");
}

}  // namespace
}  // namespace tessera
