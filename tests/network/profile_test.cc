// Oracles: the network's own weights, and attention counted by hand.
#include "tessera/network/profile.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tessera/network/engine.h"
#include "tests/base/same_bits.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

using test::random_ids;
using test::run_pieces;
using test::same_bits;
using test::tiny_description;
using test::tiny_model;

const OperationCost& attention(const Profile& p) {
  return *std::find_if(p.operations().begin(), p.operations().end(),
                       [](const OperationCost& o) { return o.name == "attention"; });
}
// What takes the heads back to the network's width.
const OperationCost& output_projection(const Profile& p) { return *(&attention(p) + 1); }

TEST(Profile, CountsEveryWeightAndEveryKeyOnceAToken) {
  const ModelFiles model = tiny_model(tiny_description(), 5, DType::q4_1);
  const ModelDescription& d = model.description;
  auto network = load_network(model);
  const auto ids = random_ids(1, 20, d.vocabulary);
  const std::vector<int64_t> one_by_one(ids.size() - 1, 1);
  const auto plain = run_pieces(*network, ids, one_by_one);

  Profile profile;
  start_profile(*network, profile);
  const auto counted = run_pieces(*network, ids, one_by_one);
  stop_profile(*network);
  EXPECT_TRUE(same_bits(plain, counted));
  const auto passes = static_cast<int64_t>(ids.size());
  ASSERT_EQ(profile.passes(), passes);

  int64_t bytes = 0;
  double seconds = 0;
  for (const OperationCost& o : profile.operations()) {
    seconds += o.seconds;
    if (o.name != "attention") bytes += o.bytes;
  }
  EXPECT_LE(seconds, profile.seconds());
  // The buffer of the weights is padded between matrices.
  const int64_t weights = memory_of(*network).weight_bytes * passes;
  EXPECT_LE(bytes, weights);
  EXPECT_GT(bytes, weights * 9 / 10);

  EXPECT_EQ(attention(profile).runs, passes * d.layers);
  const int64_t keys = passes * (passes + 1) / 2 * d.layers;  // of each head
  EXPECT_EQ(attention(profile).multiply_adds, keys * d.heads * d.head_width * 2);
  EXPECT_EQ(output_projection(profile).multiply_adds,
            passes * d.layers * d.width * d.heads * d.head_width);

  // Nothing is counted any more.
  run_pieces(*network, ids, {});
  EXPECT_EQ(profile.passes(), passes);
}

TEST(Profile, AChunkReadsTheWeightsOnceForAllItsRows) {
  const ModelFiles model = tiny_model(tiny_description(), 5, DType::q8_0);
  auto network = load_network(model);
  const auto ids = random_ids(1, 20, model.description.vocabulary);
  Profile one, many;
  start_profile(*network, one);
  run_pieces(*network, std::vector<int32_t>(ids.begin(), ids.begin() + 1), {});
  start_profile(*network, many);
  run_pieces(*network, ids, {});
  stop_profile(*network);
  EXPECT_EQ(output_projection(many).bytes, output_projection(one).bytes);
  EXPECT_EQ(output_projection(many).multiply_adds, 20 * output_projection(one).multiply_adds);
}

TEST(Profile, TheFloorIsWhatTheSlowerOfBothNeeds) {
  const NetworkFloor floor{100, 10};
  EXPECT_DOUBLE_EQ(floor.seconds({.bytes = 200, .multiply_adds = 5}), 2);
  EXPECT_DOUBLE_EQ(floor.seconds({.bytes = 200, .multiply_adds = 50}), 5);
  EXPECT_DOUBLE_EQ(NetworkFloor{}.seconds({.bytes = 200, .multiply_adds = 50}), 0);
  auto network = load_network(tiny_model(tiny_description(), 5, DType::q4_1));
  run_pieces(*network, random_ids(1, 4, network->description().vocabulary), {});
  EXPECT_GT(floor_of(*network).bytes_per_second, 0);
  EXPECT_GT(floor_of(*network).multiply_adds_per_second, 0);
}

}  // namespace
}  // namespace tessera
