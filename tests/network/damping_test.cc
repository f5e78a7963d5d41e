// Oracle: the map of attention, row by row in double precision, as section 4 of arXiv 2406.15765
// has it.
#include "tessera/network/damping.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace tessera {
namespace {

// A row of attention calibrated as the map would be.
std::vector<double> calibrated(std::vector<double> row, const std::vector<bool>& sink,
                               double beta) {
  double m = 0;
  for (size_t t = 0; t < row.size(); ++t) m += sink[t] ? row[t] : 0;
  if (m == 0 || 1 - m < 1e-6) return row;
  for (size_t t = 0; t < row.size(); ++t) row[t] *= sink[t] ? beta : (1 - beta * m) / (1 - m);
  return row;
}

// The same through join_damped(): each token's value is a unit vector, so that what comes out is
// the row.
std::vector<double> joined(const std::vector<double>& scores, const std::vector<bool>& sink,
                           float factor) {
  const size_t n = scores.size();
  float maximum[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};
  std::vector<float> weighted[2] = {std::vector<float>(n, 0), std::vector<float>(n, 0)};
  for (size_t t = 0; t < n; ++t) {
    maximum[sink[t]] = std::max(maximum[sink[t]], static_cast<float>(scores[t]));
  }
  for (size_t t = 0; t < n; ++t) {
    weighted[sink[t]][t] = std::exp(static_cast<float>(scores[t]) - maximum[sink[t]]);
    total[sink[t]] += weighted[sink[t]][t];
  }
  join_damped(factor, maximum[1], total[1], weighted[1].data(), static_cast<int64_t>(n), maximum[0],
              total[0], weighted[0].data());
  std::vector<double> out;
  for (float w : weighted[0]) out.push_back(static_cast<double>(w / total[0]));
  return out;
}

TEST(Damping, IsTheCalibratedRow) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal(0, 2);
  for (size_t n = 1; n <= 64; ++n) {
    for (const double beta : {0.0, 0.4, 1.0}) {
      std::vector<double> scores(n), row(n);
      std::vector<bool> sink(n);
      double sum = 0;
      for (size_t t = 0; t < n; ++t) {
        scores[t] = normal(random);
        sink[t] = random() % 4 == 0;
        sum += row[t] = std::exp(scores[t]);
      }
      for (double& a : row) a /= sum;
      const auto got = joined(scores, sink, static_cast<float>(beta));
      const auto want = calibrated(row, sink, beta);
      double total = 0, all = 0;
      for (size_t t = 0; t < n; ++t) {
        EXPECT_NEAR(got[t], want[t], 2e-6) << n;
        total += got[t];
        all += want[t];
      }
      EXPECT_NEAR(total, 1, 1e-5);
      EXPECT_NEAR(all, 1, 1e-12);
    }
  }
}

TEST(Damping, ReproducesTheWorkedExample) {
  const std::vector<std::vector<double>> map = {
      {1}, {.7, .3}, {.5, .3, .2}, {.45, .35, .1, .1}, {.4, .3, .1, .1, .1}};
  const std::vector<std::vector<double>> want = {{1},
                                                 {.88, .12},
                                                 {.62857, .12, .25143},
                                                 {.59538, .14, .13231, .13231},
                                                 {.50286, .12, .12571, .12571, .12571}};
  for (size_t q = 0; q < map.size(); ++q) {
    std::vector<bool> sink(q + 1);
    if (q > 0) sink[1] = true;
    std::vector<double> scores;
    for (double a : map[q]) scores.push_back(std::log(a));
    const auto row = calibrated(map[q], sink, 0.4), got = joined(scores, sink, 0.4f);
    for (size_t t = 0; t <= q; ++t) {
      EXPECT_NEAR(row[t], want[q][t], 6e-6);
      EXPECT_NEAR(got[t], want[q][t], 6e-6);
    }
  }
}

TEST(Damping, ARowThatIsAllSinkStays) {
  const auto got = joined({0, 1}, {true, true}, 0.f);
  EXPECT_NEAR(got[1], 1 / (1 + std::exp(-1.0)), 1e-6);
  EXPECT_NEAR(joined({0, -40}, {true, false}, 0.f)[0], 1, 1e-6);
}

TEST(Damping, TakesEntriesOutOfRuns) {
  std::vector<tessera::Run> rest;
  auto entries = [&] {
    std::vector<int64_t> out;
    for (const tessera::Run& r : rest) {
      EXPECT_LT(r.begin, r.end);
      for (int64_t i = r.begin; i < r.end; ++i) out.push_back(i);
    }
    return out;
  };
  take_out(std::vector<tessera::Run>{{0, 4, 9}, {6, 10, 9}},
           std::vector<tessera::Run>{{0, 1, 9}, {3, 4, 9}, {7, 8, 9}}, rest);
  EXPECT_EQ(entries(), (std::vector<int64_t>{1, 2, 6, 8, 9}));
  take_out(std::vector<tessera::Run>{{0, 3, 9}}, std::vector<tessera::Run>{{0, 3, 9}}, rest);
  EXPECT_TRUE(rest.empty());
}

}  // namespace
}  // namespace tessera
