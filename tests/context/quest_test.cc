// Oracle: the bound of each page, dimension by dimension, in double precision.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/context/layer_fixture.h"

namespace tessera {
namespace {

using test::Layer;

std::vector<int64_t> expected(const Layer& layer, int64_t query, int64_t head, int64_t page,
                              int64_t budget) {
  const int64_t entries = query + 1, pages = (entries + page - 1) / page, most = budget / page;
  std::vector<double> bounds;
  // Rotated queries and keys, from the un-rotated ones that the fixture kept.
  auto rotated = [&](const std::vector<float>& from, int64_t head_at, int64_t position) {
    std::vector<double> out(Layer::kWidth);
    for (int64_t i = 0; i < Layer::kWidth / 2; ++i) {
      const double angle = static_cast<double>(position) *
                           std::pow(10000.0, -2.0 * static_cast<double>(i) / Layer::kWidth);
      const double a = from[static_cast<size_t>(head_at * Layer::kWidth + i)];
      const double b = from[static_cast<size_t>(head_at * Layer::kWidth + Layer::kWidth / 2 + i)];
      out[static_cast<size_t>(i)] = a * std::cos(angle) - b * std::sin(angle);
      out[static_cast<size_t>(Layer::kWidth / 2 + i)] = b * std::cos(angle) + a * std::sin(angle);
    }
    return out;
  };
  const auto q = rotated(layer.plain_queries[static_cast<size_t>(query)], head, query);
  for (int64_t p = 1; p < pages - 4; ++p) {
    double bound = 0;
    for (int64_t d = 0; d < Layer::kWidth; ++d) {
      double low = 1e300, high = -1e300;
      for (int64_t t = p * page; t < (p + 1) * page; ++t) {
        const auto k = rotated(layer.plain_keys[static_cast<size_t>(t)], head / Layer::kGroup, t);
        low = std::min(low, k[static_cast<size_t>(d)]);
        high = std::max(high, k[static_cast<size_t>(d)]);
      }
      bound += std::max(q[static_cast<size_t>(d)] * low, q[static_cast<size_t>(d)] * high);
    }
    bounds.push_back(bound);
  }
  std::vector<int64_t> out;
  auto add = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out.push_back(i);
  };
  add(0, page);
  for (int64_t i : test::best(bounds, most - 5)) add((i + 1) * page, (i + 2) * page);
  add((pages - 4) * page, entries);
  return out;
}

TEST(Quest, ReadsThePagesWithTheGreatestBounds) {
  Layer layer("quest:budget=64,page=8,dense-layers=0", 1);
  for (int64_t rows : {50, 1, 33, 1, 1, 14}) {
    layer.pass(rows);
    const int64_t last = layer.tokens() - 1;
    if (last + 1 <= 64) continue;
    for (int64_t head = 0; head < Layer::kHeads; ++head) {
      EXPECT_EQ(test::entries_of(layer.selected(head / Layer::kGroup, head, rows - 1)),
                expected(layer, last, head, 8, 64))
          << last << " head " << head;
    }
  }
}

TEST(Quest, FirstLayersAndPromptsAreDense) {
  Layer layer("quest:budget=64,page=8,dense-layers=1", 2);
  layer.pass(100);
  EXPECT_EQ(layer.selected(0, 0, 99).size(), 1U);
  layer.policy().announce(77);
  EXPECT_EQ(layer.policy().everything_below(), 77);
}

TEST(Quest, RefusesABudgetThatItsFixedPagesFill) {
  EXPECT_NO_THROW(make_guest<ContextPolicy>("quest:budget=96"));
  try {
    make_guest<ContextPolicy>("quest:budget=95");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("96"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace tessera
