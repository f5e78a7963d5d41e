// Oracles: a solver that reads nothing but the prompt; the definition of the interval; stored bytes
// are none: what an item holds is checked by what it must be.
#include "tessera/eval/needle.h"

#include <gtest/gtest.h>

#include "tessera/base/error.h"

namespace tessera {
namespace {

// Words stand in for tokens.
int64_t words(const std::string& text) {
  int64_t n = 0;
  bool in_word = false;
  for (char c : text) {
    const bool space = c == ' ' || c == '\n';
    if (!space && !in_word) ++n;
    in_word = !space;
  }
  return n;
}

TEST(Needle, TheSolverFindsEveryAnswerAndItsLengthIsKept) {
  const auto haystack = made_up_sentences(3, 500);
  for (NeedleKind kind : {NeedleKind::keyed, NeedleKind::passkey}) {
    for (NeedleUnit unit : {NeedleUnit::digits5, NeedleUnit::digits7, NeedleUnit::hex8}) {
      for (uint64_t i = 0; i < 20; ++i) {
        const NeedleOptions options{kind, unit, 5, kind == NeedleKind::keyed ? 3 : 0};
        const double depth = static_cast<double>(i) / 19;
        const NeedleItem item = make_needle(options, haystack, depth, i, 600, words);
        EXPECT_LE(words(item.prompt()), 600);
        EXPECT_GE(words(item.prompt()), 540);
        EXPECT_EQ(solve_needle(options, item.prompt()), item.answer);
        EXPECT_TRUE(holds_answer("It is " + item.answer + ".", item.answer));
        EXPECT_FALSE(holds_answer(item.question, item.answer));
        const double at = static_cast<double>(item.text.find(item.answer)) /
                          static_cast<double>(item.text.size());
        EXPECT_NEAR(at, depth, 0.12) << i;
      }
    }
  }
}

TEST(Needle, TheSameSeedGivesTheSameBytesAndAnotherOneOthers) {
  const auto haystack = made_up_sentences(3, 200);
  EXPECT_EQ(haystack, made_up_sentences(3, 200));
  const NeedleOptions one{.seed = 1}, two{.seed = 2};
  const auto a = make_needle(one, haystack, 0.5, 7, 300, words);
  const auto b = make_needle(one, haystack, 0.5, 7, 300, words);
  EXPECT_EQ(a.prompt(), b.prompt());
  EXPECT_NE(a.prompt(), make_needle(one, haystack, 0.5, 8, 300, words).prompt());
  EXPECT_NE(a.answer, make_needle(two, haystack, 0.5, 7, 300, words).answer);
}

TEST(Needle, WhatCannotFitIsRefusedWithTheLeastLength) {
  const auto haystack = made_up_sentences(3, 20);
  EXPECT_THROW(make_needle({}, {}, 0.5, 0, 300, words), Error);
  try {
    make_needle({}, haystack, 0.5, 0, 10, words);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("Give at least"), std::string::npos) << error.what();
  }
}

TEST(Needle, AnAnswerIsExact) {
  struct Case {
    const char* output;
    bool right;
  };
  for (const Case& c : std::initializer_list<Case>{{"1234567", true},
                                                   {"The number is 1234567.", true},
                                                   {"\"1234567\"", true},
                                                   {"12345678", false},
                                                   {"01234567", false},
                                                   {"1,234,567", false},
                                                   {"123456", false},
                                                   {"x1234567 then 1234567", true},
                                                   {"\xff 1234567", true},
                                                   {"", false}}) {
    EXPECT_EQ(holds_answer(c.output, "1234567"), c.right) << c.output;
  }
  EXPECT_FALSE(holds_answer("anything", ""));
}

TEST(Needle, SentencesEndAtMarksAndParagraphs) {
  EXPECT_EQ(sentences_of("One. Two 3.14 is? Three!\n\nTitle\n\nFour\nfive."),
            (std::vector<std::string>{"One.", "Two 3.14 is?", "Three!", "Title", "Four five."}));
  EXPECT_EQ(sentences_of("\u4e00\u3002\u4e8c\uff01"),
            (std::vector<std::string>{"\u4e00\u3002", "\u4e8c\uff01"}));
  EXPECT_TRUE(sentences_of(" \n\n ").empty());
}

// Wilson's interval is where (p - q)^2 = z^2 q (1 - q) / n.
TEST(Needle, TheIntervalSolvesItsEquation) {
  for (auto [right, n] :
       std::vector<std::pair<int64_t, int64_t>>{{0, 10}, {3, 10}, {10, 10}, {57, 100}}) {
    const Interval got = wilson(right, n);
    const double p = static_cast<double>(right) / static_cast<double>(n);
    for (double q : {got.low, got.high}) {
      if (q == 0 || q == 1) continue;
      EXPECT_NEAR((p - q) * (p - q), 3.841458820694124 * q * (1 - q) / static_cast<double>(n),
                  1e-9);
    }
    EXPECT_LE(got.low, p + 1e-12);
    EXPECT_GE(got.high, p - 1e-12);
  }
  EXPECT_EQ(wilson(0, 0).high, 1);
}

}  // namespace
}  // namespace tessera
