#include "tessera/decode/candidates.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tessera/base/error.h"

namespace tessera {
namespace {

constexpr int kDraws = 100000;

std::vector<float> random_logits(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> out(count);
  for (float& logit : out) logit = static_cast<float>(2 * random.normal());
  return out;
}

std::vector<double> softmax(const std::vector<float>& logits, double temperature = 1) {
  std::vector<double> p;
  double total = 0;
  for (float x : logits) {
    p.push_back(std::exp(x / temperature));
    total += p.back();
  }
  for (double& x : p) x /= total;
  return p;
}

// Sorted by probability, the plain way.
std::vector<size_t> by_probability(const std::vector<double>& p) {
  std::vector<size_t> order(p.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] > p[b]; });
  return order;
}

std::vector<double> only(std::vector<double> p, const std::set<size_t>& kept) {
  double total = 0;
  for (size_t i : kept) total += p[i];
  for (size_t i = 0; i < p.size(); ++i) p[i] = kept.contains(i) ? p[i] / total : 0;
  return p;
}

std::set<size_t> prefix(const std::vector<size_t>& order, const std::vector<double>& p,
                        double mass) {
  std::set<size_t> kept;
  double sum = 0;
  for (size_t i : order) {
    kept.insert(i);
    sum += p[i];
    if (sum >= mass) break;
  }
  return kept;
}

// Draws from `filter` against the distribution that was computed on paper: chi-square over the
// cells with an expectation of 5 or more, the others as one cell. The bound is five standard
// deviations above the mean of the chi-square distribution. What has probability 0 is never drawn.
void expect_distribution(const std::vector<float>& logits, const std::vector<double>& expected,
                         const std::function<void(Candidates&)>& filter) {
  Candidates candidates(static_cast<int64_t>(logits.size()));
  Random random(99);
  std::vector<int64_t> seen(logits.size());
  for (int i = 0; i < kDraws; ++i) {
    candidates.load(logits);
    filter(candidates);
    ++seen[static_cast<size_t>(candidates.items()[candidates.draw(random)].id)];
  }
  double chi = 0, rest_expected = 0, rest_seen = 0;
  int cells = 0;
  auto add = [&](double observed, double mean) {
    chi += (observed - mean) * (observed - mean) / mean;
    ++cells;
  };
  for (size_t i = 0; i < seen.size(); ++i) {
    double mean = expected[i] * kDraws;
    if (mean == 0) {
      EXPECT_EQ(seen[i], 0) << i;
    } else if (mean < 5) {
      rest_expected += mean;
      rest_seen += static_cast<double>(seen[i]);
    } else {
      add(static_cast<double>(seen[i]), mean);
    }
  }
  if (rest_expected > 1) add(rest_seen, rest_expected);
  double freedom = cells - 1;
  EXPECT_LE(chi, freedom + 5 * std::sqrt(2 * freedom) + 5) << cells;
}

const std::vector<float> kLogits = random_logits(60, 4);

TEST(Candidates, PlainSamplingFollowsTheSoftmax) {
  expect_distribution(kLogits, softmax(kLogits), [](Candidates&) {});
}

TEST(Candidates, TemperatureSharpensTheSoftmax) {
  for (double t : {0.3, 2.5}) {
    expect_distribution(kLogits, softmax(kLogits, t),
                        [=](Candidates& c) { c.apply_temperature(t); });
  }
}

TEST(Candidates, TopKFollowsItsDefinition) {
  auto p = softmax(kLogits);
  auto order = by_probability(p);
  expect_distribution(kLogits, only(p, {order.begin(), order.begin() + 7}),
                      [](Candidates& c) { c.keep_top_k(7); });
}

TEST(Candidates, TopPFollowsItsDefinition) {
  auto p = softmax(kLogits);
  expect_distribution(kLogits, only(p, prefix(by_probability(p), p, 0.8)),
                      [](Candidates& c) { c.keep_top_p(0.8); });
}

TEST(Candidates, MinPFollowsItsDefinition) {
  auto p = softmax(kLogits);
  double most = *std::max_element(p.begin(), p.end());
  std::set<size_t> kept;
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] >= 0.1 * most) kept.insert(i);
  }
  expect_distribution(kLogits, only(p, kept), [](Candidates& c) { c.keep_min_p(0.1); });
}

TEST(Candidates, TypicalFollowsItsDefinition) {
  auto p = softmax(kLogits);
  double entropy = 0;
  for (double x : p) entropy -= x * std::log(x);
  std::vector<size_t> order(p.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::fabs(-std::log(p[a]) - entropy) < std::fabs(-std::log(p[b]) - entropy);
  });
  expect_distribution(kLogits, only(p, prefix(order, p, 0.6)),
                      [](Candidates& c) { c.keep_typical(0.6); });
}

TEST(Candidates, SurpriseFollowsItsDefinition) {
  auto p = softmax(kLogits);
  std::set<size_t> kept;
  for (size_t i = 0; i < p.size(); ++i) {
    if (-std::log2(p[i]) <= 4) kept.insert(i);
  }
  expect_distribution(kLogits, only(p, kept), [](Candidates& c) { c.keep_surprise(4); });
}

TEST(Candidates, ChainOfAllFiltersFollowsItsDefinition) {
  auto p = softmax(kLogits, 1.5);
  auto order = by_probability(p);
  p = only(p, {order.begin(), order.begin() + 20});
  p = only(p, prefix(order, p, 0.9));
  expect_distribution(kLogits, p, [](Candidates& c) {
    c.apply_temperature(1.5);
    c.keep_top_k(20);
    c.keep_top_p(0.9);
  });
}

// Oracle: no filter at all.
TEST(Candidates, FiltersThatKeepAllChangeNothing) {
  Candidates candidates(60);
  candidates.load(kLogits);
  candidates.apply_temperature(1);
  candidates.keep_top_k(60);
  candidates.keep_top_k(0);
  candidates.keep_top_p(1);
  candidates.keep_min_p(0);
  candidates.keep_typical(1);
  ASSERT_EQ(candidates.items().size(), 60u);
  for (size_t i = 0; i < 60; ++i) {
    EXPECT_EQ(candidates.items()[i].id, static_cast<TokenId>(i));
    EXPECT_EQ(candidates.items()[i].logit, kLogits[i]);
  }
}

// Oracle: the same set found by sorting everything. Large enough that sorting happens in parts.
TEST(Candidates, TopPOnLargeVocabulariesKeepsWhatAFullSortKeeps) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    auto logits = random_logits(3000, seed);
    auto p = softmax(logits);
    Candidates candidates(3000);
    candidates.load(logits);
    candidates.keep_top_p(0.97);
    std::set<size_t> kept;
    for (const Candidate& c : candidates.items()) kept.insert(static_cast<size_t>(c.id));
    EXPECT_EQ(kept, prefix(by_probability(p), p, 0.97));
  }
}

TEST(Candidates, TiesGoToTheLowestId) {
  std::vector<float> logits(100, 1.0F);
  EXPECT_EQ(argmax(logits), 0);
  Candidates candidates(100);
  candidates.load(logits);
  candidates.keep_top_k(3);
  ASSERT_EQ(candidates.items().size(), 3u);
  for (TokenId i = 0; i < 3; ++i) EXPECT_EQ(candidates.items()[static_cast<size_t>(i)].id, i);
}

TEST(Candidates, TheSmallestTemperatureOnlyLeavesTheLikeliest) {
  Candidates candidates(60);
  candidates.load(kLogits);
  candidates.apply_temperature(1e-300);
  Random random(1);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(candidates.items()[candidates.draw(random)].id, argmax(kLogits));
  }
}

TEST(Candidates, RefusesLogitsThatAreNoDistribution) {
  constexpr float inf = std::numeric_limits<float>::infinity();
  auto message = [](std::vector<float> logits) {
    try {
      check_logits(logits);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_NE(message({0, std::nanf(""), 1}).find("token 1 is not a number"), std::string::npos);
  EXPECT_NE(message({0, 1, inf}).find("token 2 is infinite"), std::string::npos);
  EXPECT_NE(message({-inf, -inf}).find("no token"), std::string::npos);
  EXPECT_EQ(message({-inf, 3}), "");
}

}  // namespace
}  // namespace tessera
