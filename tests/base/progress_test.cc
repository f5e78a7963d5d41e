#include "tessera/base/progress.h"

#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace tessera {
namespace {

using namespace std::chrono_literals;

struct Screen {
  std::chrono::nanoseconds time = 0ns;
  std::vector<std::string> writes;
  ProgressOptions options(int64_t total, std::string unit = "items") {
    ProgressOptions o;
    o.label = "work";
    o.total = total;
    o.unit = std::move(unit);
    o.sink = [this](std::string_view text) { writes.emplace_back(text); };
    o.now = [this] { return time; };
    o.width = 10;
    return o;
  }
};

TEST(Progress, DrawsAtMostTenTimesASecond) {
  Screen screen;
  Progress bar(screen.options(2000));
  for (int i = 0; i < 2000; ++i) {
    screen.time += 1ms;
    bar.advance();
  }
  EXPECT_LE(screen.writes.size(), 20u);
  EXPECT_GE(screen.writes.size(), 18u);
}

TEST(Progress, ShowsShareRateAndRemainingTime) {
  Screen screen;
  Progress bar(screen.options(400));
  screen.time = 10s;
  bar.advance(100);
  ASSERT_EQ(screen.writes.size(), 1u);
  EXPECT_EQ(screen.writes[0],
            "\rwork [##........]  25%  100 items of 400 items, 10 items/s, 30 s left");
}

TEST(Progress, BytesAreShownInDecimalUnits) {
  Screen screen;
  Progress bar(screen.options(0, "bytes"));
  screen.time = 2s;
  bar.advance(3'000'000);
  ASSERT_EQ(screen.writes.size(), 1u);
  EXPECT_EQ(screen.writes[0], "\rwork  3.0 MB, 1.5 MB/s");
}

TEST(Progress, ASmallerLineWipesOutTheLongerOneBefore) {
  Screen screen;
  Progress bar(screen.options(100));
  screen.time = 200ms;
  bar.advance(1);
  size_t first = screen.writes[0].size();
  screen.time = 400s;
  bar.advance(99);
  EXPECT_GE(screen.writes[1].size(), first);
}

TEST(Progress, EndsItsLineOnceAlsoWhenAnErrorPasses) {
  Screen screen;
  auto fail_within = [&] {
    Progress bar(screen.options(10));
    throw std::runtime_error("x");
  };
  EXPECT_THROW(fail_within(), std::runtime_error);
  ASSERT_EQ(screen.writes.size(), 2u);
  EXPECT_EQ(screen.writes[1], "\n");
}

TEST(Progress, IsSilentWithoutASink) {
  Progress bar(ProgressOptions{});
  bar.advance(5);
  bar.finish();
  EXPECT_EQ(bar.done(), 5);
}

}  // namespace
}  // namespace tessera
