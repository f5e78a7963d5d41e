// Oracle: attention weights in double precision, summed over what was chosen.
#include "tessera/eval/attention_mass.h"

#include <gtest/gtest.h>

#include "tests/context/layer_fixture.h"

namespace tessera {
namespace {

using test::Layer;

TEST(AttentionMass, IsTheWeightOfWhatWasChosen) {
  Layer layer("token-select:sinks=2,k=3,local=4,chunk=4", 61);
  AttentionMass mass(1);
  double sum = 0, newest = 0;
  int64_t count = 0;
  for (int64_t token = 0; token < 25; ++token) {
    layer.pass(1);
    double of_token = 0;
    for (int64_t kv = 0; kv < Layer::kKvHeads; ++kv) {
      const int64_t first = kv * Layer::kGroup;
      const auto runs = layer.selected(kv, first, 0);
      mass.take({0, first, Layer::kGroup, token, 0, false, runs, &layer.view(), 0, kv});
      mass.take(
          {0, first, Layer::kGroup, token, 0, true, runs, &layer.view(), 0, kv});  // no choice
      for (int64_t h = first; h < first + Layer::kGroup; ++h) {
        const auto weights = layer.weights(token, h);
        for (const int64_t i : test::entries_of(runs)) {
          of_token += weights[static_cast<size_t>(i)] / Layer::kHeads;
        }
        // Nine are seen: four first ones and five newest ones.
        for (int64_t i = 0; token >= 9 && i <= token; ++i) {
          if (i < 4 || i > token - 5) newest += weights[static_cast<size_t>(i)] / Layer::kHeads;
        }
      }
    }
    if (token < 9) {
      EXPECT_EQ(mass.of_token(token), 0);  // everything was seen
      continue;
    }
    EXPECT_NEAR(mass.of_token(token), of_token, 1e-5);
    sum += of_token;
    ++count;
  }
  EXPECT_NEAR(mass.mean(), sum / static_cast<double>(count), 1e-5);
  EXPECT_NEAR(mass.of_newest(), newest / static_cast<double>(count), 1e-5);
  EXPECT_EQ(mass.mean(), mass.of_layer(0));
  // One that looks at no keys tells nothing.
  const std::vector<tessera::Run> runs = {{0, 2, 0}};
  AttentionMass none(1);
  none.take({0, 0, 4, 20, 0, false, runs});
  EXPECT_EQ(none.mean(), 0);
}

}  // namespace
}  // namespace tessera
