// Oracles: the figures of a published table, straight lines, ties by hand.
#include "tessera/eval/correlation.h"

#include <vector>

#include <gtest/gtest.h>

#include "tests/base/refusal.h"

namespace tessera {
namespace {

using Values = std::vector<double>;

// Bayram et al. 2025, table "Tokenizer Benchmark Results": score, %TR, %Pure of eight models.
const Values kScore = {72.10, 70.42, 51.29, 61.68, 70.66, 46.89, 29.37, 84.84};
const Values kTr = {48.63, 45.80, 47.01, 40.33, 50.67, 45.27, 43.93, 42.14};
const Values kPure = {37.05, 30.91, 35.17, 30.15, 32.96, 36.08, 34.42, 28.68};

TEST(Correlation, OfAPublishedTableIsWhatItsRowsGive) {
  const Correlation tr = correlation(kScore, kTr), pure = correlation(kScore, kPure);
  EXPECT_NEAR(tr.r, 0.10, 0.005);
  EXPECT_NEAR(pure.r, -0.51, 0.005);
  EXPECT_EQ(tr.n, 8);
  EXPECT_GT(tr.p, 0.5);
  EXPECT_GT(pure.p, 0.05);
  const auto four = [](const Values& v) { return Values{v[0], v[1], v[3], v[4]}; };
  EXPECT_NEAR(correlation(four(kScore), four(kTr)).r, 0.900, 0.0005);
  EXPECT_NEAR(correlation(four(kScore), four(kPure)).r, 0.684, 0.0005);
  // Of the 24 orders of four values one is the largest at least.
  EXPECT_GE(correlation(four(kScore), four(kTr)).p, 1.0 / 24);
}

TEST(Correlation, OfStraightLinesIsOneWithTheLeastChance) {
  const Correlation c = correlation(Values{1, 2, 3, 4, 5}, Values{10, 8, 6, 4, 2});
  EXPECT_NEAR(c.r, -1, 1e-12);
  EXPECT_NEAR(c.rank, -1, 1e-12);
  EXPECT_NEAR(c.p, 2.0 / 120, 1e-12);  // this order and its reverse
  Values x, y;
  for (int i = 0; i < 12; ++i) {
    x.push_back(i);
    y.push_back(i * i * i);
  }
  const Correlation many = correlation(x, y);
  EXPECT_NEAR(many.rank, 1, 1e-12);
  EXPECT_LT(many.r, 1);
  EXPECT_LT(many.p, 0.001);
}

TEST(Correlation, EqualValuesShareTheirRank) {
  // Ranks 0.5 0.5 2 3 against 0 1 2 3.
  EXPECT_NEAR(correlation(Values{1, 1, 2, 3}, Values{1, 2, 3, 4}).rank, 0.9486832980505138, 1e-12);
}

TEST(Correlation, TooFewValuesAreRefused) {
  using test::refusal;
  EXPECT_NE(refusal([] { correlation(Values{1, 2}, Values{1, 2}); }), "");
  EXPECT_NE(refusal([] { correlation(Values{1, 2, 3}, Values{1, 2}); }), "");
  EXPECT_NE(refusal([] { correlation(Values{1, 1, 1}, Values{1, 2, 3}); }), "");
}

}  // namespace
}  // namespace tessera
