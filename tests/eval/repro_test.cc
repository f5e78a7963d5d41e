#include "tessera/eval/repro.h"

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/base/systems.h"
#include "tessera/eval/repro_tools.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

TEST(Repro, EveryOneIsOfASystemAndInOrder) {
  ASSERT_FALSE(repros().empty());
  std::string_view last;
  for (const Repro& repro : repros()) {
    EXPECT_NE(find_system(repro.system), nullptr) << repro.system;
    EXPECT_FALSE(repro.summary.empty());
    EXPECT_LT(last, repro.system);
    last = repro.system;
  }
}

// Whatever needs texts says so before it opens a model, or when the model is not there.
TEST(Repro, TextsThatAreTooShortAreRefusedWithTheNumberNeeded) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t",
                                        "one line that is long enough to be taken for one\nand "
                                        "another that is as long as the first one\n");
  for (const Repro& repro : repros()) {
    if (!repro.texts) continue;
    SCOPED_TRACE(repro.system);
    try {
      repro.run({.sources = {file}, .model = folder / "no-model.gguf"});
      ADD_FAILURE() << "was accepted";
    } catch (const Error& error) {
      const std::string said = error.what();
      EXPECT_TRUE(said.find("2 lines of the 1100") != std::string::npos ||
                  said.find("bytes of the") != std::string::npos ||
                  said.find("no-model.gguf") != std::string::npos)
          << said;
    }
  }
}

TEST(Repro, VerdictsFollowFromIntervals) {
  const ReproFigure all = share_figure("a", "b", 512, 512), few = share_figure("a", "b", 4, 4),
                    half = share_figure("a", "b", 256, 512);
  EXPECT_EQ(all.value, 100);
  EXPECT_EQ(reaches(all, 97), ReproVerdict::holds);
  EXPECT_EQ(reaches(few, 97), ReproVerdict::open);
  EXPECT_EQ(reaches(half, 97), ReproVerdict::fails);
  EXPECT_EQ(stays_below(half, 60), ReproVerdict::holds);
  EXPECT_EQ(stays_below(all, 60), ReproVerdict::fails);
  EXPECT_EQ(stays_below(few, 60), ReproVerdict::open);
  EXPECT_EQ(is_above(all, half), ReproVerdict::holds);
  EXPECT_EQ(is_above(half, all), ReproVerdict::fails);
  EXPECT_EQ(is_above(all, few), ReproVerdict::open);
  EXPECT_EQ(figure_text(half), "50.0 % (45.7 to 54.3, n = 512)");
  EXPECT_EQ(figure_text({"", "", 0.5, 0.5, 0.5, 3}, ""), "0.500 (n = 3)");
}

TEST(Repro, MeansHaveTheBootstrapsInterval) {
  const double same[] = {2, 2, 2, 2};
  const ReproFigure f = mean_figure("a", "b", same, 10);
  EXPECT_EQ(f.value, 20);
  EXPECT_EQ(f.low, 20);
  EXPECT_EQ(f.high, 20);
  EXPECT_EQ(f.n, 4);
}

TEST(Repro, WhoDoesNotWaitStopsIt) {
  ReproRequest request;
  request.stopped = [] { return true; };
  ReproProgress progress(request, "a", "b", 2);
  EXPECT_THROW(progress.advance(), ReproStopped);
}

}  // namespace
}  // namespace tessera
