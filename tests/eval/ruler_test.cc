// Oracles: solvers that read nothing but the prompt; what an item must be; hand-made outputs.
#include "tessera/eval/ruler.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/eval/chain.h"
#include "tessera/eval/effective_length.h"
#include "tessera/eval/made_up_words.h"

namespace tessera {
namespace {

// Four bytes stand in for a token.
int64_t quarters(const std::string& text) { return static_cast<int64_t>(text.size() + 3) / 4; }

std::vector<std::string> sorted(std::vector<std::string> list) {
  std::sort(list.begin(), list.end());
  return list;
}

TEST(Ruler, SolversScoreAHundredAndLengthsAreKept) {
  for (const std::string& task : ruler_tasks()) {
    SCOPED_TRACE(task);
    RulerOptions o{task, 42, made_up_sentences(3, 300)};
    for (const int64_t room : {1024, 5000}) {
      for (uint64_t i = 0; i < (room < 2000 ? 5 : 1); ++i) {
        o.seed = 42 + i;
        const NeedleItem item = make_ruler(o, i, room, quarters);
        const int64_t used = quarters(item.prompt() + "\n" + item.cue) + ruler_answer_tokens(task);
        EXPECT_LE(used, room);
        EXPECT_GE(used, room * (task == "fwe" ? 75 : 90) / 100) << room;
        const auto solved = solve_ruler(task, item.prompt());
        EXPECT_EQ(sorted(solved), sorted(item.answers)) << i;
        std::string output;
        for (const std::string& a : solved) output += a + ", ";
        EXPECT_EQ(score_contained(output, item.answers).share, 1);
        EXPECT_EQ(score_contained(output, item.answers).exact, 1);
        // Another answer scores less, and neither question nor cue gives one away.
        std::vector<std::string> other = item.answers;
        other[0] = "0" + other[0];
        EXPECT_LT(score_contained(output, other).share, 1);
        EXPECT_EQ(score_contained(item.question + item.cue, item.answers).share, 0);
        EXPECT_EQ(make_ruler(o, i, room, quarters).prompt(), item.prompt());
      }
      EXPECT_NE(make_ruler(o, 1, room, quarters).prompt(),
                make_ruler(o, 2, room, quarters).prompt());
    }
    EXPECT_THROW(make_ruler(o, 0, 60, quarters), Error);
  }
  EXPECT_THROW(make_ruler({"niah", 1, {}}, 0, 1000, quarters), Error);
  EXPECT_THROW(make_ruler({"niah_single_2", 1, {}}, 0, 1000, quarters), Error);
}

TEST(Ruler, TasksHaveTheShapeOfTheirNames) {
  const auto make = [](const std::string& task) {
    return make_ruler({task, 7, made_up_sentences(3, 300)}, 3, 2000, quarters);
  };
  const auto needles = [](const NeedleItem& item) {
    int64_t n = 0;
    for (size_t at = item.text.find(" is: "); at != std::string::npos;
         at = item.text.find(" is: ", at + 1)) {
      ++n;
    }
    return n;
  };
  EXPECT_EQ(needles(make("niah_single_1")), 1);
  EXPECT_EQ(needles(make("niah_multikey_1")), 4);
  EXPECT_EQ(make("niah_multikey_1").answers.size(), 1U);
  EXPECT_EQ(needles(make("niah_multivalue")), 4);
  EXPECT_EQ(make("niah_multivalue").answers.size(), 4U);
  EXPECT_EQ(make("niah_multiquery").answers.size(), 4U);
  EXPECT_GT(needles(make("niah_multikey_2")), 50);
  EXPECT_EQ(make("niah_multikey_3").answer.size(), 36U);
  EXPECT_EQ(make("vt").answers.size(), 5U);
  EXPECT_EQ(make("cwe").answers.size(), 10U);
  EXPECT_EQ(make("fwe").answers.size(), 3U);
  // The asked key stands there once.
  const NeedleItem crowd = make("niah_multikey_2");
  const std::string key = crowd.question.substr(34, crowd.question.find(" mentioned") - 34);
  const size_t at = crowd.text.find(key);
  EXPECT_NE(at, std::string::npos) << key;
  EXPECT_EQ(crowd.text.find(key, at + 1), std::string::npos) << key;
}

TEST(Ruler, AnOutputIsScoredByWhatItContains) {
  const std::vector<std::string> wanted = {"1234567", "Abc"};
  struct Case {
    const char* output;
    double share, exact;
  };
  for (const Case& c : std::initializer_list<Case>{{"1234567 and abc", 1, 1},
                                                   {"ABC, 1234567.", 1, 1},
                                                   {"12345678", 0.5, 0},
                                                   {"abcd 1234567", 1, 0.5},
                                                   {"[\"1234567\"]", 0.5, 0.5},
                                                   {"123456", 0, 0},
                                                   {"xabc abc", 0.5, 0.5},
                                                   {"\xff abc", 0.5, 0.5},
                                                   {"", 0, 0}}) {
    EXPECT_EQ(score_contained(c.output, wanted).share, c.share) << c.output;
    EXPECT_EQ(score_contained(c.output, wanted).exact, c.exact) << c.output;
  }
  EXPECT_EQ(score_contained("x", {}).share, 0);
}

// Whoever lists words of the text at random is right as often as the draw says, within three
// standard errors: neither the worked example nor the question helps.
TEST(Ruler, AGuessScoresWhatChanceGives) {
  for (const std::string task : {"cwe", "fwe"}) {
    double mean = 0, expected = 0, variance = 0;
    constexpr int kItems = 40, kListed = 10;
    for (uint64_t i = 0; i < kItems; ++i) {
      const NeedleItem item = make_ruler({task, 42 + i, {}}, i, 1200, quarters);
      const std::string text = item.text.substr(item.text.rfind("\n\n", item.text.size() - 3) + 1);
      std::set<std::string> all;
      std::string word;
      for (const char c : text + " ") {
        if (std::islower(static_cast<unsigned char>(c))) {
          word += c;
        } else {
          if (word.size() == 6) all.insert(word);
          word.clear();
        }
      }
      std::vector<std::string> words(all.begin(), all.end());
      for (const std::string& a : item.answers) ASSERT_TRUE(all.contains(a)) << a;
      Random random(5, i);
      std::string output;
      for (size_t k = 0; k < kListed; ++k) {
        std::swap(words[k], words[k + random.below(words.size() - k)]);
        output += words[k] + ", ";
      }
      // Each wanted word is listed with probability p; drawn without going back, they compete.
      const double n = static_cast<double>(words.size()), p = kListed / n;
      mean += score_contained(output, item.answers).exact / kItems;
      expected += p / kItems;
      variance += p * (1 - p) / static_cast<double>(item.answers.size()) / kItems / kItems;
    }
    EXPECT_GT(expected, 0.01);
    EXPECT_NEAR(mean, expected, 3 * std::sqrt(variance)) << task;
  }
}

TEST(Chain, TheSolverWritesAValidChainAndFaultsEndOne) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    for (const int64_t keys : {1, 2, 10}) {
      const ChainOptions o{keys, seed};
      const NeedleItem item = make_chain(o, seed, 700, quarters);
      EXPECT_LE(quarters(item.prompt()), 700);
      EXPECT_GE(quarters(item.prompt()), 650);
      EXPECT_EQ(item.prompt(), make_chain(o, seed, 700, quarters).prompt());
      const auto solved = solve_chain(item.prompt());
      EXPECT_EQ(solved, item.answers);
      EXPECT_EQ(static_cast<int64_t>(solved.size()), keys);
      std::string output = "Chain: " + item.answer + ".";
      EXPECT_EQ(score_chain(output, item.text, keys), 1);
      // The example's words are no keys.
      EXPECT_EQ(score_chain(item.question, item.text, keys), 0);
      if (keys < 10) continue;
      auto cut = item.answers;
      cut[4] = cut[7];
      std::string fault;
      for (const std::string& k : cut) fault += k + " ";
      EXPECT_EQ(score_chain(fault, item.text, 10), 0.4);
      EXPECT_EQ(score_chain(item.answers[0], item.text, 10), 0.1);
      EXPECT_EQ(score_chain("", item.text, 10), 0);
      EXPECT_EQ(score_chain("-", item.text, 10), 0);
    }
  }
  EXPECT_THROW(make_chain({}, 0, 40, quarters), Error);
  EXPECT_TRUE(solve_chain("nothing").empty());
}

TEST(MadeUpWords, AreDifferentAndOfOneLength) {
  Random random(5);
  const auto words = made_up_words(random, 3000);
  EXPECT_EQ(std::set<std::string>(words.begin(), words.end()).size(), 3000U);
  for (const std::string& w : words) EXPECT_EQ(w.size(), 6U);
}

TEST(EffectiveLength, EndsWhereTheLineCrosses) {
  const std::vector<LengthScore> scores = {{1000, 1}, {2000, 0.9}, {4000, 0.5}, {8000, 0.9}};
  EXPECT_DOUBLE_EQ(effective_length(scores, 0.7).length, 3000);
  EXPECT_DOUBLE_EQ(effective_length(scores, 0.95).length, 1500);
  EXPECT_EQ(effective_length(scores, 1.01).length, 0);
  EXPECT_EQ(effective_length(scores, 0.5).length, 8000);
  EXPECT_TRUE(effective_length(scores, 0.5).at_least);
  EXPECT_FALSE(effective_length(scores, 0.7).at_least);
  EXPECT_EQ(effective_length({}, 0.5).length, 0);
}

TEST(Fit, FindsTheLargestThatFits) {
  for (const int64_t limit : {0, 1, 2, 3, 7, 8, 100, 999, 1000, 2000}) {
    const auto fits = [&](int64_t n) { return n <= limit; };
    EXPECT_EQ(largest_that_fits(1, 1000, fits), std::min<int64_t>(limit, 1000));
    EXPECT_EQ(largest_that_fits(5, 1000, fits), limit < 5 ? 0 : std::min<int64_t>(limit, 1000));
  }
}

}  // namespace
}  // namespace tessera
