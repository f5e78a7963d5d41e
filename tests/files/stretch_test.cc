// Oracle: the definition of each scaling.
#include "tessera/files/stretch.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/files/tiny_description.h"

namespace tessera {
namespace {

TEST(Stretch, ReadsItsSpec) {
  EXPECT_EQ(parse_stretch("yarn:factor=4").factor, 4);
  EXPECT_EQ(parse_stretch("linear").factor, 2);
  for (const char* bad : {"yran", "linear:factor=0.5", "linear:factor=65", "ntk:facto=2",
                          "ntk:factor=nan", "dynamic", ""}) {
    EXPECT_THROW(parse_stretch(bad), Error) << bad;
  }
}

TEST(Stretch, TheWindowGrowsAndTheAnglesFollowTheDefinition) {
  ModelDescription d = test::tiny_description();
  const double theta = d.layer[0].rope_theta, width = static_cast<double>(d.rotary_width);
  stretch_positions(d, {"ntk", 4});
  EXPECT_EQ(d.context, 2048);
  // The slowest pair turns four times slower, the fastest as before.
  const double slowest = std::pow(d.layer[0].rope_theta, -(width - 2) / width);
  EXPECT_NEAR(slowest, std::pow(theta, -(width - 2) / width) / 4, 1e-12);
  EXPECT_EQ(d.rope_scaling.kind, ScalingKind::none);

  for (const char* kind : {"linear", "yarn"}) {
    d = test::tiny_description();
    stretch_positions(d, {kind, 1.5});
    EXPECT_EQ(d.context, 768);
    EXPECT_EQ(d.rope_scaling.factor, 1.5);
    EXPECT_EQ(d.rope_scaling.original_context, 512);
    // A second one is refused.
    EXPECT_THROW(stretch_positions(d, {kind, 2}), Error);
  }
  d = test::tiny_description();
  d.position = PositionKind::alibi;
  EXPECT_THROW(stretch_positions(d, {"linear", 2}), Error);
}

}  // namespace
}  // namespace tessera
