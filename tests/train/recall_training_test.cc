// A few steps only: that the whole training gives a model that recalls is checked where one is
// made.
#include "tessera/train/recall_training.h"

#include <vector>

#include <gtest/gtest.h>

#include "tessera/files/export_folder.h"
#include "tessera/network/engine.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

TEST(RecallTraining, TheLossFallsAndTheSameSeedGivesTheSameSteps) {
  std::vector<double> losses[2];
  for (auto& of_run : losses) {
    RecallTraining training;
    training.most_steps = 12;
    training.tokens_a_step = 256;
    training.each = [&](const RecallTraining::Step& s) {
      EXPECT_EQ(s.number, static_cast<int64_t>(of_run.size()) + 1);
      EXPECT_EQ(s.length, 16);
      EXPECT_GE(s.accuracy, 0);
      of_run.push_back(s.loss);
      return true;
    };
    train_recall(training);
  }
  ASSERT_EQ(losses[0].size(), 12u);
  EXPECT_EQ(losses[0], losses[1]);
  EXPECT_LT(losses[0].back(), losses[0].front() - 0.1);
}

TEST(RecallTraining, StopsWhenAskedAndWhenItsPatienceEnds) {
  int64_t steps = 0;
  RecallTraining training;
  training.patience = 2;
  training.tokens_a_step = 32;
  training.each = [&](const RecallTraining::Step&) {
    ++steps;
    return true;
  };
  train_recall(training);
  EXPECT_EQ(steps, 2);
  training.patience = 800;
  training.each = [&](const RecallTraining::Step&) {
    ++steps;
    return false;
  };
  train_recall(training);
  EXPECT_EQ(steps, 3);
}

// What it gives is a Llama that a file holds and the engine runs, whatever it has learned.
TEST(RecallTraining, GivesAModelOfTheEngine) {
  RecallTraining training;
  training.most_steps = 2;
  training.tokens_a_step = 32;
  const ModelFiles model = train_recall(training);
  const RecallShape shape{32, 4};
  const RecallScore fresh = recall_score(*load_network(model), "full", shape, 8, 3);
  EXPECT_EQ(fresh.asked, 32);
  test::TemporaryFolder folder;
  export_folder(model, {}, folder / "mini", {.type = DType::f32});
  const ModelFiles again = open_model(folder / "mini");
  EXPECT_EQ(again.description.context, kRecallWindow.length);
  EXPECT_EQ(recall_score(*load_network(again), "full", shape, 8, 3).right, fresh.right);
}

}  // namespace
}  // namespace tessera
