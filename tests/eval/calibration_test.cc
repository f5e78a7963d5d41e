// Oracles: means of the items run by themselves; the same search without a stop.
#include "tessera/eval/calibration.h"

#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/base/temporary_folder.h"
#include "tests/eval/byte_tokenizer.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

std::vector<ChoiceItem> some_items(int count) {
  std::vector<ChoiceItem> out;
  for (int i = 0; i < count; ++i) {
    const std::string text(static_cast<size_t>(24 + i % 5), static_cast<char>('a' + i % 7));
    out.push_back({text + std::to_string(i), text, {" x", " yz"}, i % 2});
  }
  return out;
}

ModelDescription four_layers() {
  ModelDescription d = test::tiny_description();
  d.layers = 4;
  d.layer.resize(4);
  return d;
}

CalibrationOptions options_of(const std::string& log) {
  CalibrationOptions o;
  o.candidates = {{2, 0}, {2, 1}, {2, 3}};
  o.betas = {0.2, 0.6};
  o.rule = {.tau = 0.01, .min_queries = 2};
  o.keep.accuracy = false;
  o.log = log;
  return o;
}

TEST(Calibration, SetsHaveNoItemInCommonAndAllOfThemAreUsed) {
  const auto items = some_items(40);
  const CalibrationSets sets = calibration_sets(items, {1, 1, 2}, "f");
  EXPECT_EQ(sets[0].size(), 10u);
  EXPECT_EQ(sets[1].size(), 10u);
  EXPECT_EQ(sets[2].size(), 20u);
  std::set<std::string> seen;
  for (const auto& set : sets) {
    for (const ChoiceItem& item : set) EXPECT_TRUE(seen.insert(item.text).second);
  }
  EXPECT_THROW(calibration_sets(some_items(23), {1, 1, 1}, "f"), Error);
}

TEST(Calibration, AStoppedSearchGoesOnAndGivesTheSame) {
  const test::TemporaryFolder folder;
  LanguageModel model(load_network(test::tiny_model(four_layers(), 41)), "full");
  const test::ByteTokenizer tokenizer;
  const auto sets = calibration_sets(some_items(24), {1, 1, 1}, "f");
  int64_t done = 0;
  CalibrationOptions whole = options_of(folder / "whole");
  whole.each = [&](int64_t n) {
    done += n;
    return true;
  };
  Calibration all(model, tokenizer, "w", sets, whole);
  EXPECT_GT(all.tokens(), 0);
  const auto want = all.run();
  ASSERT_TRUE(want);
  EXPECT_EQ(want->tried, 3);
  EXPECT_EQ(want->chance, 0.5);
  EXPECT_LE(done, all.work());
  // Plain on the search's items is what reading them alone gives.
  const ChoiceReader reader(tokenizer, sets[0]);
  const ChoiceMeans plain = means_of(reader.results(model, [&] { return model.new_past(); }));
  EXPECT_EQ(want->file.scores[0].nll, plain.nll);
  EXPECT_EQ(want->file.scores[0].accuracy, plain.accuracy);

  CalibrationOptions cut = options_of(folder / "cut");
  int64_t left = 20;  // items: within the search
  cut.each = [&](int64_t n) { return (left -= n) > 0; };
  EXPECT_FALSE(Calibration(model, tokenizer, "w", sets, cut).run());
  const auto got = Calibration(model, tokenizer, "w", sets, options_of(folder / "cut")).run();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->verdict, want->verdict);
  ASSERT_EQ(got->file.scores.size(), want->file.scores.size());
  for (size_t i = 0; i < got->file.scores.size(); ++i) {
    EXPECT_EQ(got->file.scores[i].nll, want->file.scores[i].nll);
  }
  // The log of other items is not taken for its own.
  const auto others = calibration_sets(some_items(27), {1, 1, 1}, "f");
  EXPECT_THROW(Calibration(model, tokenizer, "w", others, options_of(folder / "cut")).run(), Error);
}

}  // namespace
}  // namespace tessera
