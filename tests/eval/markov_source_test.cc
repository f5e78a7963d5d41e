// Oracles: closed forms, frequencies of long samples, models counted by hand.
#include "tessera/eval/markov_source.h"

#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "tessera/base/random.h"
#include "tessera/eval/text_models.h"
#include "tests/base/refusal.h"

namespace tessera {
namespace {

using test::expect_says;
using test::refusal;

double h(double p) { return -p * std::log(p) - (1 - p) * std::log(1 - p); }

TEST(MarkovSource, SwitchingHasItsClosedForms) {
  for (size_t order = 1; order <= 4; ++order) {
    for (const double p : {0.6, 0.8, 0.95}) {
      const MarkovSource s = MarkovSource::switching(order, p, p);
      EXPECT_NEAR(s.entropy_rate(), h(p), 1e-10);
      EXPECT_NEAR(s.letter_entropy(), std::log(2.0), 1e-10);
      EXPECT_NEAR(switching_block_loss(order, p, order), std::log(2.0), 1e-12);
      EXPECT_NEAR(switching_block_loss(order, p, 1000), h(p), 0.005);
    }
    const double p = 0.9, q = 0.7, second = p / (p + q);
    const MarkovSource s = MarkovSource::switching(order, p, q);
    EXPECT_NEAR(s.entropy_rate(), (1 - second) * h(p) + second * h(q), 1e-10);
    EXPECT_NEAR(s.letter_entropy(), h(second), 1e-10);
  }
}

TEST(MarkovSource, LongSamplesHaveItsEntropyAndSoHasAModelOfItsOrder) {
  Random random(1);
  for (int round = 0; round < 4; ++round) {
    const size_t letters = 2 + random.below(3), order = 1 + random.below(3);
    size_t contexts = 1;
    for (size_t i = 0; i < order; ++i) contexts *= letters;
    std::vector<double> rows;
    for (size_t c = 0; c < contexts; ++c) {
      std::vector<double> row;
      double sum = 0;
      for (size_t a = 0; a < letters; ++a) sum += row.emplace_back(0.02 + random.uniform());
      for (const double w : row) rows.push_back(w / sum);
    }
    const MarkovSource s(letters, order, rows);
    const std::string text = s.sample(40000, 7), other = s.sample(20000, 8);
    EXPECT_EQ(text, s.sample(40000, 7));
    std::map<std::string, std::map<char, double>> counts;
    for (size_t i = order; i < text.size(); ++i) ++counts[text.substr(i - order, order)][text[i]];
    double nats = 0;
    for (const auto& [context, next] : counts) {
      double all = 0;
      for (const auto& [a, n] : next) all += n;
      for (const auto& [a, n] : next) nats -= n * std::log(n / all);
    }
    EXPECT_NEAR(nats / static_cast<double>(text.size()), s.entropy_rate(), 0.015);
    CharacterModel model(order + 1);
    model.learn(text);
    EXPECT_NEAR(model.loss(other) / static_cast<double>(other.size()), s.entropy_rate(), 0.02);
  }
}

TEST(MarkovSource, WhatIsNoSourceIsRefused) {
  expect_says(refusal([] { MarkovSource(2, 1, {0.5, 0.5, 0.5, 0.6}); }),
              "row 1 is no distribution");
  expect_says(refusal([] { MarkovSource(2, 1, {0.5, 0.5, -1, 2}); }), "row 1 is no distribution");
  expect_says(refusal([] { MarkovSource(2, 1, {0.5, 0.5}); }), "needs 4 numbers");
  expect_says(refusal([] { MarkovSource(2, 1, {0, 1, 1, 0}); }), "returns only every 2");
  expect_says(refusal([] { MarkovSource(2, 1, {1, 0, 0.5, 0.5}); }), "not reached");
  expect_says(refusal([] { MarkovSource(26, 9, {}); }), "more than 65536 rows");
  expect_says(refusal([] { MarkovSource(0, 1, {}); }), "0 letters");
  expect_says(refusal([] { MarkovSource::switching(1, 0, 0.5); }), "within 0 and 1");
  expect_says(refusal([] { MarkovSource::switching(1, 0.5, 1); }), "within 0 and 1");
  expect_says(refusal([] { MarkovSource::switching(0, 0.5, 0.5); }), "order 0");
}

TEST(MarkovSource, IsReadFromSpecsAndJson) {
  EXPECT_NEAR(markov_source("switching:p=0.9,q=0.7").entropy_rate(),
              MarkovSource::switching(2, 0.9, 0.7).entropy_rate(), 1e-12);
  EXPECT_EQ(markov_source("switching:order=3").order(), 3u);
  const MarkovSource s =
      MarkovSource::parse(R"({"letters": 2, "order": 1, "rows": [[0.2, 0.8], [0.8, 0.2]]})", "k");
  EXPECT_NEAR(s.entropy_rate(), h(0.8), 1e-10);
  expect_says(refusal([] { markov_source("swiching"); }), "there is switching");
  expect_says(refusal([] { markov_source("switching:p=1"); }), "within 0 and 1");
  expect_says(refusal([] { markov_source("switching:order=0"); }), "order");
  for (const char* broken :
       {"", "[]", "{", "{}", R"({"letters": 2, "order": 1, "rows": 3})",
        R"({"letters": "2", "order": 1, "rows": []})", R"({"letters": -2, "order": 1, "rows": []})",
        R"({"letters": 2, "order": 1, "rows": [[1], [0.5, 0.5]]})",
        R"({"letters": 2, "order": 1, "rows": [["a", 1], [0.5, 0.5]]})",
        R"({"letters": 1.5, "order": 1, "rows": []})",
        R"({"letters": 2, "order": 99, "rows": [[0.5, 0.5]]})"}) {
    const std::string said = refusal([&] { MarkovSource::parse(broken, "k.json"); });
    expect_says(said, "k.json");
  }
}

TEST(CharacterModel, IsWittenAndBellsByHand) {
  CharacterModel one(1);
  one.learn("aab");
  // Two kinds, three characters; the base is an equal chance of three.
  const double a = (2 + 2.0 / 3) / 5, b = (1 + 2.0 / 3) / 5, other = (2.0 / 3) / 5;
  EXPECT_NEAR(one.loss("ab"), -std::log(a) - std::log(b), 1e-12);
  EXPECT_NEAR(one.loss("x"), -std::log(other), 1e-12);
  EXPECT_NEAR(a + b + other, 1, 1e-12);
  CharacterModel two(2);
  two.learn("aab");
  // Behind a: a once, b once.
  EXPECT_NEAR(two.loss("ab"), -std::log(a) - std::log((1 + 2 * b) / 4), 1e-12);
  EXPECT_EQ(two.contexts(), 2u);
  EXPECT_EQ(two.loss(""), 0);
  EXPECT_GT(CharacterModel(3).loss("\xFFş"), -0.001);
  expect_says(refusal([] { CharacterModel(0); }), "order 0");
}

}  // namespace
}  // namespace tessera
