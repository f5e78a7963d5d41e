#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/eval/recall_task.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

TEST(Recall, EveryQuestionIsAnsweredByItsPairAndByNothingElse) {
  for (const RecallShape shape : {RecallShape{16, 2, 4, 8}, RecallShape{256, 32, 64},
                                  RecallShape{300, 32}, RecallShape{4, 1, 1}}) {
    for (uint64_t s = 0; s < 20; ++s) {
      Random random(7, s);
      const RecallSequence r = make_recall(shape, random);
      ASSERT_EQ(static_cast<int64_t>(r.ids.size()), shape.length);
      ASSERT_EQ(static_cast<int64_t>(r.questions.size()), shape.questions());
      const int64_t text = shape.length - 2 * shape.questions();
      EXPECT_LT(*std::max_element(r.ids.begin(), r.ids.end()), kRecallSymbols);
      std::map<int32_t, int64_t> asked;
      for (const auto& q : r.questions) {
        const int32_t key = r.ids[static_cast<size_t>(q.at)];
        EXPECT_LT(key, shape.symbols);
        EXPECT_LT(r.ids[static_cast<size_t>(q.at) + 1], kRecallKeys + shape.symbols);
        EXPECT_GE(q.at, text);
        EXPECT_LT(q.pair + 1, text);
        EXPECT_EQ(r.ids[static_cast<size_t>(q.pair)], key);
        EXPECT_EQ(r.ids[static_cast<size_t>(q.pair) + 1], r.ids[static_cast<size_t>(q.at) + 1]);
        // Nowhere else before the questions does the key stand.
        EXPECT_EQ(std::count(r.ids.begin(), r.ids.begin() + text, key), 1);
        ++asked[key];
      }
      EXPECT_LE(static_cast<int64_t>(asked.size()), shape.pairs);
      if (shape.drawn > 0) continue;
      EXPECT_EQ(static_cast<int64_t>(asked.size()), shape.pairs);
      for (const auto& [key, times] : asked) EXPECT_EQ(times, 1);
    }
  }
}

// What was asked says nothing about what is asked next.
TEST(Recall, DrawnQuestionsAreIndependent) {
  int64_t same = 0;
  constexpr uint64_t kSequences = 4000;
  for (uint64_t s = 0; s < kSequences; ++s) {
    Random random(9, s);
    const auto q = make_recall({16, 2, 4}, random).questions;
    same += q[0].pair == q[1].pair && q[1].pair == q[2].pair ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(same) / kSequences, 0.25, 0.03);
}

TEST(Recall, PairsStandAnywhere) {
  std::set<int64_t> places;
  for (uint64_t s = 0; s < 400; ++s) {
    Random random(8, s);
    places.insert(make_recall({24, 1}, random).questions[0].pair);
  }
  EXPECT_EQ(places.size(), 21u);  // 22 symbols, the last one is no beginning
}

TEST(Recall, ShapesThatCannotBeAreRefused) {
  Random random(1);
  for (const RecallShape shape :
       {RecallShape{16, 5}, RecallShape{1000, 33}, RecallShape{16, 0}, RecallShape{16, 2, -1},
        RecallShape{64, 9, 4, 8}, RecallShape{64, 9, 4, 33}}) {
    EXPECT_THROW(make_recall(shape, random), Error);
  }
}

// An untrained model guesses; the same questions whatever the policy, and a budget of everything
// gives what full attention gives.
TEST(Recall, ScoresPoliciesOnTheSameQuestions) {
  ModelDescription d = test::tiny_description();
  d.vocabulary = kRecallSymbols;
  const auto network = load_network(test::tiny_model(d, 3));
  const RecallShape shape{48, 8};
  const RecallScore full = recall_score(*network, "full", shape, 4, 5, 20);
  EXPECT_EQ(full.asked, 32);
  EXPECT_GT(full.far_asked, 0);
  EXPECT_LT(full.far_asked, full.asked);
  EXPECT_LT(full.share(), 0.5);
  const RecallScore all = recall_score(*network, "streaming:sinks=4,local=100", shape, 4, 5, 20);
  EXPECT_EQ(all.right, full.right);
  EXPECT_EQ(all.far_right, full.far_right);
  int calls = 0;
  EXPECT_EQ(recall_score(*network, "full", shape, 4, 5, 0, [&] { return ++calls < 2; }).asked, 16);
  d.vocabulary = 90;
  EXPECT_THROW(recall_score(*load_network(test::tiny_model(d, 3)), "full", shape, 1, 5), Error);
}

}  // namespace
}  // namespace tessera
