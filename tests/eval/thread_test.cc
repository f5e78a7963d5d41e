// Oracle: a solver that reads nothing but the prompt; what an item must be.
#include "tessera/eval/thread.h"

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/eval/python_random.h"

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

// Oracle: Python's own random.Random, and the sample that the paper published.
TEST(Thread, PythonsNumbersAreDrawnAgain) {
  PythonRandom zero(0);
  EXPECT_EQ(zero.bits(), 3626764237U);
  EXPECT_EQ(zero.bits(), 1654615998U);
  PythonRandom large((uint64_t{1} << 40) + 5);
  EXPECT_EQ(large.bits(), 2166296868U);
  EXPECT_EQ(large.bits(), 2220160828U);
  PythonRandom seven(7);
  uint32_t last = 0;
  for (int i = 0; i < 2000; ++i) last = seven.bits();
  EXPECT_EQ(last, 2803521222U);

  ThreadOptions o{.steps = 1, .unit = NeedleUnit::uuid, .seed = 0};
  o.as_python = true;
  const auto only_text = [](const std::string& prompt) {
    return static_cast<int64_t>(prompt.rfind("\n\n"));
  };
  const NeedleItem item = make_thread(o, 0.5, 0, 2000, only_text);
  EXPECT_EQ(item.text.size(), 2000U);  // 25 pairs of 80 characters
  EXPECT_TRUE(item.text.starts_with("{\"e3e70682-c209-4cac-629f-6fbed82c07cd\": \""));
  EXPECT_EQ(item.text.find("247a8333-f7b0-b7d2-cda8-056c3d15eef7"), 12U * 80 + 2);
  EXPECT_NE(item.question.find("247a8333-f7b0-b7d2-cda8-056c3d15eef7"), std::string::npos);
  EXPECT_EQ(item.answer, "1759edc3-72ae-2244-8b01-63c1cd9d2b7d");
  EXPECT_NE(make_thread(o, 0.5, 1, 2000, only_text).text, item.text);
}

// Whoever guesses UUIDs finds none; in lists they are told by their shape.
TEST(Thread, UuidsAreFollowedAndNotGuessed) {
  const ThreadOptions o{.steps = 1, .unit = NeedleUnit::uuid, .count = 3};
  Random guess(9);
  for (uint64_t i = 0; i < 20; ++i) {
    const NeedleItem item = make_thread(o, 0, i, 6000, characters);
    EXPECT_EQ(solve_threads(item.prompt()), item.answers);
    EXPECT_EQ((item.text.size()) % 80, 0U);
    std::string guessed, right = "They are ";
    for (int g = 0; g < 3; ++g) guessed += random_value(guess, NeedleUnit::uuid) + ", ";
    for (const std::string& a : item.answers) right += a + ", ";
    EXPECT_EQ(score_list(guessed, item.answers, true).share, 0);
    EXPECT_TRUE(score_list(guessed, item.answers, true).parsed);
    EXPECT_EQ(score_list(right, item.answers, true).share, 1);
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

// What the question asks for, in its order; a needle of one step is its own start.
std::vector<std::string> asked_of(const NeedleItem& item) {
  std::vector<std::string> out;
  for (size_t at = item.question.find('"'); at != std::string::npos;) {
    const size_t end = item.question.find('"', at + 1);
    out.push_back(item.question.substr(at + 1, end - at - 1));
    at = item.question.find('"', end + 1);
  }
  return out;
}

TEST(Thread, ManyThreadsAreSolvedTogetherAndShareNoPair) {
  for (ThreadDirection direction :
       {ThreadDirection::forward, ThreadDirection::backward, ThreadDirection::random}) {
    for (int64_t steps : {1, 3}) {
      for (int64_t count : {2, 5, 15}) {
        for (uint64_t index = 0; index < 5; ++index) {
          ThreadOptions options{steps, direction, NeedleUnit::hex8, 3};
          options.count = count;
          const NeedleItem item = make_thread(options, 0.5, index, 4000, characters);
          EXPECT_LE(characters(item.prompt()), 4000);
          EXPECT_EQ(item.prompt(), make_thread(options, 0.5, index, 4000, characters).prompt());
          const auto starts = asked_of(item);
          ASSERT_EQ(starts.size(), static_cast<size_t>(count));
          EXPECT_EQ(solve_threads(item.prompt()), item.answers);
          EXPECT_EQ(solve_thread(item.prompt()), item.answer);
          std::set<size_t> seen;
          for (size_t t = 0; t < starts.size(); ++t) {
            std::string key = starts[t];
            std::vector<size_t> places;
            for (int64_t i = 0; i < steps; ++i) {
              const size_t at = item.text.find("\"" + key + "\": \"");
              ASSERT_NE(at, std::string::npos);
              EXPECT_TRUE(seen.insert(at).second);
              places.push_back(at);
              key = item.text.substr(at + key.size() + 5);
              key.resize(key.find('"'));
            }
            EXPECT_EQ(key, item.answers[t]);
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
}

TEST(Thread, BranchesLeadNowhereAndTheLongestWayIsTheAnswer) {
  for (ThreadDirection direction :
       {ThreadDirection::forward, ThreadDirection::backward, ThreadDirection::random}) {
    for (int64_t steps : {2, 4}) {
      for (uint64_t index = 0; index < 5; ++index) {
        const ThreadOptions options{
            .steps = steps, .direction = direction, .seed = 3, .branches = 3};
        const NeedleItem item = make_thread(options, 0.5, index, 4000, characters);
        EXPECT_EQ(solve_thread(item.prompt()), item.answer);
        // Every way is followed, and one alone is the longest.
        std::multimap<std::string, std::string> pairs;
        std::vector<std::string> names;
        for (size_t at = item.text.find('"'); at != std::string::npos;) {
          const size_t end = item.text.find('"', at + 1);
          names.push_back(item.text.substr(at + 1, end - at - 1));
          at = item.text.find('"', end + 1);
        }
        for (size_t i = 0; i + 1 < names.size(); i += 2) pairs.emplace(names[i], names[i + 1]);
        std::vector<std::string> at = asked_of(item);
        for (int64_t step = 0; step < steps; ++step) {
          std::vector<std::string> next;
          for (const std::string& key : at) {
            const auto [begin, end] = pairs.equal_range(key);
            for (auto v = begin; v != end; ++v) next.push_back(v->second);
          }
          EXPECT_EQ(next.size(), step + 1 < steps ? 3 : 1);
          at = next;
        }
        EXPECT_EQ(at, std::vector{item.answer});
        EXPECT_FALSE(pairs.contains(item.answer));
      }
    }
  }
  EXPECT_EQ(make_thread({.steps = 3, .seed = 3}, 0.5, 1, 3000, characters).prompt(),
            make_thread({.steps = 3, .seed = 3, .branches = 1}, 0.5, 1, 3000, characters).prompt());
}

TEST(Thread, ACircleHasNoEnd) {
  EXPECT_EQ(solve_thread("{\"a\": \"b\", \"b\": \"a\"} start at \"a\""),
            solve_thread("{\"b\": \"a\", \"a\": \"b\"} start at \"a\""));
}

TEST(Thread, MarkedKeysAreAllThereIsOfTheMarkAndClustersAreSideBySide) {
  for (NeedleUnit unit : {NeedleUnit::digits5, NeedleUnit::hex8}) {
    for (bool clustered : {false, true}) {
      for (uint64_t index = 0; index < 10; ++index) {
        ThreadOptions options{1, ThreadDirection::forward, unit, 4};
        options.count = 6;
        options.marked = true;
        options.clustered = clustered;
        const NeedleItem item = make_thread(options, 0, index, 3000, characters);
        EXPECT_EQ(solve_threads(item.prompt()), item.answers);
        EXPECT_EQ(std::count(item.text.begin(), item.text.end(), kKeyMark), 6);
        EXPECT_EQ(item.answers.size(), 6u);
        const size_t pair = item.answers[0].size() * 2 + 8;  // two strings, colon, comma, spaces
        std::vector<size_t> at;
        for (size_t i = item.text.find(kKeyMark); i != std::string::npos;
             i = item.text.find(kKeyMark, i + 1)) {
          at.push_back((i - 1) / pair);
        }
        if (clustered) {
          EXPECT_EQ(at.back() - at.front(), 5u);
        }
        EXPECT_EQ(std::set<size_t>(at.begin(), at.end()).size(), 6u);
      }
    }
  }
}

TEST(Thread, AsManyAskedForAsFitAreAllThereIs) {
  ThreadOptions options{2, ThreadDirection::random, NeedleUnit::hex8, 1};
  options.count = 400;
  EXPECT_THROW(make_thread(options, 0, 0, 4000, characters), Error);
  options.count = 10;
  const NeedleItem item = make_thread(options, 0, 0, 1000, characters);
  EXPECT_EQ(solve_threads(item.prompt()), item.answers);
}

// Oracle: a table made by hand.
TEST(Thread, ListsAreScoredByWhatTheyHold) {
  const std::vector<std::string> want = {"11112222", "aaaabbbb"};
  struct Case {
    std::string output;
    double in_order, any_order, precision;
    bool parsed;
  };
  for (const Case& c :
       std::vector<Case>{{"[\"11112222\", \"aaaabbbb\"]", 1, 1, 1, true},
                         {"The list is: [\"11112222\",\"aaaabbbb\"].", 1, 1, 1, true},
                         {"[\"aaaabbbb\", \"11112222\"]", 0, 1, 1, true},
                         {"[\"11112222\"]", 0.5, 0.5, 1, true},
                         {"[\"11112222\", \"11112222\"]", 0.5, 0.5, 1, true},
                         {"[\"11112222\", \"aaaabbbb\", \"cccc0000\"]", 1, 1, 2.0 / 3, true},
                         {"[\"11112222\", \"aaaabb", 0.5, 0.5, 1, true},
                         {"[\"AAAABBBB\"]", 0, 0, 0, true},
                         {"11112222 and aaaabbbb", 1, 1, 1, true},
                         {"11112222, aaaabbb", 0.5, 0.5, 1, true},
                         {"[11112222, aaaabbbb]", 1, 1, 1, true},
                         {"x11112222", 0, 0, 0, false},
                         {"I do not know.", 0, 0, 0, false},
                         {"[]", 0, 0, 0, false},
                         {"", 0, 0, 0, false}}) {
    SCOPED_TRACE(c.output);
    const ListScore ordered = score_list(c.output, want, true),
                    any = score_list(c.output, want, false);
    EXPECT_DOUBLE_EQ(ordered.share, c.in_order);
    EXPECT_DOUBLE_EQ(any.share, c.any_order);
    EXPECT_DOUBLE_EQ(any.precision, c.precision);
    EXPECT_EQ(any.parsed, c.parsed);
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
