// Oracles: probabilities multiplied token by token through single passes; what an item must be; the
// bootstrap's interval where it is known.
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/eval/choice_score.h"
#include "tessera/eval/head_search.h"
#include "tessera/eval/sink_report.h"
#include "tessera/network/language_model.h"
#include "tests/eval/byte_tokenizer.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

std::string story(int64_t count) {
  std::string out;
  for (const std::string& s : made_up_sentences(4, count)) out += s + " ";
  return out;
}

TEST(Choice, ClozeItemsAskForTheLastWordAndOthersAreNoTwins) {
  const std::string text = story(300);
  const auto items = cloze_items(text, 40, {.choices = 4});
  ASSERT_EQ(items.size(), 40U);
  std::set<std::string> texts;
  int64_t golds[4] = {};
  for (const ChoiceItem& item : items) {
    EXPECT_TRUE(texts.insert(item.text).second);
    ASSERT_EQ(item.choices.size(), 4U);
    EXPECT_EQ(std::set<std::string>(item.choices.begin(), item.choices.end()).size(), 4U);
    const std::string& gold = item.choices[static_cast<size_t>(item.gold)];
    ++golds[item.gold];
    EXPECT_TRUE((item.prompt + gold + ".").ends_with(item.text));
    EXPECT_NE(text.find(item.prompt), std::string::npos);
  }
  for (int64_t n : golds) EXPECT_GT(n, 0);
  EXPECT_EQ(cloze_items(text, 40, {.choices = 4})[7].prompt, items[7].prompt);
  EXPECT_NE(cloze_items(text, 40, {.choices = 4, .seed = 2})[7].prompt, items[7].prompt);
  EXPECT_EQ(cloze_items(text, 100000, {.choices = 4}).size() > 40, true);
  EXPECT_THROW(cloze_items("Too short. For this.", 4, {}), Error);
  EXPECT_THROW(cloze_items("", 4, {}), Error);
}

TEST(Choice, LabelledItemsKeepExamplesAndQuestionsApart) {
  std::vector<LabelledText> texts;
  for (int i = 0; i < 30; ++i) {
    texts.push_back({"text " + std::to_string(i), i % 3 == 0 ? "a" : "b"});
  }
  texts.push_back(texts[4]);
  const auto items = labelled_items(texts, {.prompt = "<{text}> is", .shots = 4});
  ASSERT_EQ(items.size(), 26U);
  for (const ChoiceItem& item : items) {
    EXPECT_EQ(item.choices, (std::vector<std::string>{" a", " b"}));
    EXPECT_TRUE(item.prompt.ends_with("\n\n<" + item.text + "> is"));
    EXPECT_EQ(item.prompt.find("<" + item.text + ">"), item.prompt.size() - item.text.size() - 5);
    const int number = std::stoi(item.text.substr(5));
    EXPECT_EQ(item.gold, number % 3 == 0 ? 0 : 1);
  }
  EXPECT_THROW(labelled_items(texts, {.prompt = "no slot"}), Error);
  EXPECT_THROW(labelled_items({{"x", "a"}, {"y", "a"}}, {}), Error);
  EXPECT_THROW(labelled_items({}, {}), Error);
  EXPECT_THROW(labelled_items(texts, {.shots = 30}), Error);
}

TEST(Choice, AnAnswersProbabilityIsThatOfItsTokens) {
  LanguageModel model(load_network(test::tiny_model(test::tiny_description(), 31)), "full");
  const test::ByteTokenizer tokenizer;
  std::vector<ChoiceItem> items;
  for (int i = 0; i < 12; ++i) {
    items.push_back({"",
                     std::string(static_cast<size_t>(30 + 11 * i), static_cast<char>('a' + i)),
                     {" x", " long answer", "q"},
                     i % 3});
  }
  const ChoiceReader reader(tokenizer, items);
  const auto got = reader.results(model, [&] { return model.new_past(); });
  ASSERT_EQ(got.size(), items.size());
  int64_t right = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    std::vector<double> sums;
    for (const std::string& choice : items[i].choices) {
      std::vector<int32_t> ids = {1};
      for (const char c : items[i].prompt + choice) ids.push_back(c % 96);
      const auto logits = test::run_pieces(model.network(), ids, {});
      double sum = 0;
      for (size_t t = ids.size() - choice.size(); t < ids.size(); ++t) {
        const float* row = logits.data() + (t - 1) * 96;
        double total = 0;
        for (int v = 0; v < 96; ++v) total += std::exp(static_cast<double>(row[v]));
        sum += static_cast<double>(row[ids[t]]) - std::log(total);
      }
      sums.push_back(sum);
    }
    const auto gold = static_cast<size_t>(items[i].gold);
    EXPECT_NEAR(got[i].nll, -sums[gold], 1e-4);
    EXPECT_EQ(got[i].right,
              std::max_element(sums.begin(), sums.end()) - sums.begin() == static_cast<long>(gold));
    right += got[i].right ? 1 : 0;
  }
  EXPECT_EQ(means_of(got).accuracy, static_cast<double>(right) / 12);
  int64_t calls = 0;
  EXPECT_LT(
      reader.results(
                model, [&] { return model.new_past(); }, [&](int64_t) { return ++calls < 2; })
          .size(),
      items.size());
  items[0].choices[1] = "";
  EXPECT_THROW(ChoiceReader(tokenizer, items), Error);
}

TEST(Choice, TheBootstrapIsThatOfTheMean) {
  EXPECT_EQ(bootstrap_mean({}, 1).low, 0);
  const std::vector<double> same(20, 0.5);
  EXPECT_EQ(bootstrap_mean(same, 1).low, 0.5);
  EXPECT_EQ(bootstrap_mean(same, 1).high, 0.5);
  std::vector<double> coins(400, 0);
  for (size_t i = 0; i < 200; ++i) coins[i] = 1;
  const Interval i = bootstrap_mean(coins, 2);
  EXPECT_NEAR(i.low, 0.5 - 1.96 * 0.025, 0.01);
  EXPECT_NEAR(i.high, 0.5 + 1.96 * 0.025, 0.01);
}

TEST(HeadSearch, KeepsWhatRaisesAccuracyAndLogProbability) {
  const ChoiceMeans plain{20, 0.5, 2.0};
  const std::vector<HeadTrial> trials = {{{2, 0}, {20, 0.55, 1.9}},   // kept
                                         {{2, 1}, {20, 0.55, 2.1}},   // less probable
                                         {{2, 2}, {20, 0.5, 1.5}},    // no more accurate
                                         {{3, 0}, {20, 0.65, 1.99}},  // kept
                                         {{3, 1}, {20, 0.4, 2.5}}};
  const auto ids = [](const std::vector<ActHead>& heads) {
    std::vector<HeadId> out;
    for (const ActHead& h : heads) out.push_back(h.id);
    return heads_text(out);
  };
  EXPECT_EQ(ids(kept_heads(plain, trials, {})), "2.0+3.0");
  EXPECT_EQ(ids(kept_heads(plain, trials, {.margin = 0.1})), "3.0");
  EXPECT_EQ(ids(kept_heads(plain, trials, {.accuracy = false})), "2.0+2.2+3.0");
  EXPECT_EQ(ids(kept_heads(plain, trials, {.most = 1})), "3.0");
  EXPECT_NEAR(kept_heads(plain, trials, {})[1].accuracy_gain, 0.15, 1e-12);
  EXPECT_EQ(heads_text(worst_heads(trials, 2)), "2.1+3.1");
  EXPECT_EQ(random_heads(trials, 3, 1, 0).size(), 3U);
  EXPECT_EQ(heads_text(random_heads(trials, 3, 1, 0)), heads_text(random_heads(trials, 3, 1, 0)));
}

// Oracle: the attention of the forward pass in plain loops.
TEST(SinkReport, CountsWhatTheMapsShow) {
  const ModelFiles model = test::tiny_model(test::tiny_description(), 33);
  const auto network = load_network(model);
  const std::vector<std::vector<int32_t>> inputs = {test::random_ids(1, 20, 96),
                                                    test::random_ids(2, 35, 96)};
  const SinkRule rule{.alpha = 1.5, .min_queries = 4};
  std::vector<Sink> sinks;
  const SinkReport report =
      sink_report(*network, inputs, rule, [&](const Sink& s) { sinks.push_back(s); });
  size_t expected = 0;
  for (int64_t layer = 0; layer < 2; ++layer) {
    std::vector<double> first(4), later(4);
    for (const auto& ids : inputs) {
      const auto maps = test::naive_attention(model, ids, layer);
      const size_t n = ids.size();
      for (size_t h = 0; h < 4; ++h) {
        bool behind = false;
        for (size_t t = 0; t + 4 <= n; ++t) {
          double sum = 0;
          for (size_t q = t; q < n; ++q) sum += maps[h][q][t];
          if (sum / static_cast<double>(n - t) <= 1.5 / static_cast<double>(n)) continue;
          ++expected;
          if (t == 0) first[h] += 0.5;
          behind = behind || t > 0;
        }
        later[h] += behind ? 0.5 : 0;
      }
    }
    for (size_t h = 0; h < 4; ++h) {
      const HeadSinks& got = report.of_head[static_cast<size_t>(layer) * 4 + h];
      EXPECT_EQ(got.first, first[h]);
      EXPECT_EQ(got.later, later[h]);
    }
  }
  EXPECT_GT(expected, 10U);
  EXPECT_EQ(sinks.size(), expected);
  EXPECT_EQ(report.sinks, static_cast<int64_t>(expected));
  EXPECT_EQ(report.inputs, 2);
  for (const Sink& s : sinks) {
    EXPECT_EQ(s.token, inputs[static_cast<size_t>(s.input)][static_cast<size_t>(s.position)]);
  }
  EXPECT_EQ(sink_report(*network, inputs, rule, {}, [] { return false; }).inputs, 0);
}

}  // namespace
}  // namespace tessera
