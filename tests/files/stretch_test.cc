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
                          "ntk:factor=nan", "dynamik", ""}) {
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
  stretch_positions(d, {"dynamic", 2, 1024});
  EXPECT_EQ(d.context, 1024);
  d = test::tiny_description();
  d.position = PositionKind::alibi;
  EXPECT_THROW(stretch_positions(d, {"linear", 2}), Error);
}

TEST(Stretch, TheDynamicBaseFollowsTheLongestText) {
  const ModelDescription plain = test::tiny_description();
  const auto width = static_cast<double>(plain.rotary_width);
  const auto theta = [&](const Stretch& stretch) {
    ModelDescription d = plain;
    stretch_positions(d, stretch);
    EXPECT_EQ(d.context, 512 * static_cast<int64_t>(stretch.factor));
    return d.layer[1].rope_theta;
  };
  // Within the trained window nothing changes, whatever the factor.
  EXPECT_EQ(theta({"dynamic", 4, 512}), plain.layer[1].rope_theta);
  EXPECT_EQ(theta({"dynamic", 4, 100}), plain.layer[1].rope_theta);
  // Beyond it as the definition says; no text named: the whole window.
  for (const int64_t text : {513, 700, 2048}) {
    const double by = 4.0 * static_cast<double>(text) / 512 - 3;
    const double want = plain.layer[1].rope_theta * std::pow(by, width / (width - 2));
    EXPECT_NEAR(theta({"dynamic", 4, text}), want, 1e-9 * want);
  }
  EXPECT_EQ(theta({"dynamic", 4}), theta({"dynamic", 4, 2048}));
  EXPECT_EQ(theta({"dynamic", 1}), theta({"ntk", 1}));
}

}  // namespace
}  // namespace tessera
