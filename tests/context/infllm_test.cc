// Oracle: what every entry received while it was local, the representatives, and the blocks' scores
// in double precision by plain loops.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/context/layer_fixture.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

using test::Layer;

constexpr int64_t kSinks = 3, kLocal = 10, kBlocks = 2, kBlock = 6, kRepresentatives = 2;

// The blocks that rows first .. first + count - 1 choose together.
std::vector<int64_t> expected(const Layer& layer, int64_t first, int64_t count) {
  const int64_t blocks = (first + 1 - kLocal - kSinks) / kBlock;
  std::vector<double> scores(static_cast<size_t>(blocks), 0);
  for (int64_t head = 0; head < Layer::kHeads; ++head) {
    const int64_t kv = head / Layer::kGroup;
    std::vector<double> received(static_cast<size_t>(layer.tokens()), 0);
    for (int64_t row = 0; row < layer.tokens(); ++row) {
      for (int64_t h = kv * Layer::kGroup; h < (kv + 1) * Layer::kGroup; ++h) {
        const int64_t begin = std::max<int64_t>(0, row + 1 - kLocal);
        double total = 0;
        for (int64_t t = begin; t <= row; ++t) {
          total += std::exp(0.25 * layer.score(row, h, t, static_cast<double>(row - t)));
        }
        for (int64_t t = begin; t <= row; ++t) {
          received[static_cast<size_t>(t)] +=
              std::exp(0.25 * layer.score(row, h, t, static_cast<double>(row - t))) / total;
        }
      }
    }
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t begin = kSinks + b * kBlock;
      const std::vector<double> in(received.begin() + begin, received.begin() + begin + kBlock);
      for (int64_t i : test::best(in, kRepresentatives)) {
        for (int64_t row = first; row < first + count; ++row) {
          scores[static_cast<size_t>(b)] += layer.score(row, head, begin + i, kLocal) /
                                            static_cast<double>(kRepresentatives * count);
        }
      }
    }
  }
  return test::best(scores, kBlocks);
}

TEST(Infllm, ReadsTheBlocksWhoseRepresentativesMatch) {
  Layer layer("infllm:sinks=3,local=10,k=2,block=6,representatives=2,chunk=8,question=4", 41);
  layer.policy().announce(70);
  for (int64_t first = 0; first < 76;) {
    const int64_t rows = layer.policy().together(first, 100);
    layer.pass(rows);
    const bool together = first < 66;
    const int64_t group = together ? first : first + rows - 1;
    const int64_t count = together ? rows : 1, last = first + rows - 1;
    const int64_t blocks = (group + 1 - kLocal - kSinks) / kBlock;
    const auto runs = layer.selected(1, 3, rows - 1);
    if (blocks <= kBlocks) {
      EXPECT_EQ(runs.size(), 1U) << first;
    } else {
      std::vector<std::pair<int64_t, int64_t>> want, got;  // entries and how far away they seem
      for (int64_t i = 0; i < kSinks; ++i) want.emplace_back(i, kLocal);
      for (int64_t b : expected(layer, group, count)) {
        for (int64_t i = 0; i < kBlock; ++i) want.emplace_back(kSinks + b * kBlock + i, kLocal);
      }
      for (int64_t i = kSinks + blocks * kBlock; i <= last; ++i) want.emplace_back(i, last - i);
      for (const tessera::Run& run : runs) {
        for (int64_t e = run.begin; e < run.end; ++e) got.emplace_back(e, run.query_position - e);
      }
      EXPECT_EQ(got, want) << first;
    }
    first += rows;
  }
}

TEST(Infllm, NoTokenSeesALaterOneAndATextMayBeCutAnywhere) {
  auto network = load_network(test::tiny_model(test::tiny_description(), 42));
  auto ids = test::random_ids(17, 90, 96);
  const char* const spec = "infllm:sinks=2,local=16,k=2,block=8,chunk=16";
  const auto before = test::run_pieces(*network, ids, {}, spec);
  EXPECT_EQ(before, test::run_pieces(*network, ids, {40, 1, 17}, spec));
  ids[80] = (ids[80] + 1) % 96;
  const auto after = test::run_pieces(*network, ids, {}, spec);
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + 80L * 96, after.begin()));
  EXPECT_FALSE(std::equal(before.begin() + 80L * 96, before.end(), after.begin() + 80L * 96));
}

TEST(Infllm, RefusesWhatCannotWork) {
  EXPECT_THROW(make_guest<ContextPolicy>("infllm:representatives=129"), Error);
  auto network = load_network(test::tiny_model(test::tiny_description(), 43));
  EXPECT_THROW(network->new_past("infllm"), Error);
}

}  // namespace
}  // namespace tessera
