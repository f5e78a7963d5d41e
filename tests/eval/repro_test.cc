#include "tessera/eval/repro.h"

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/base/systems.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

TEST(Repro, EveryOneIsOfASystem) {
  ASSERT_FALSE(repros().empty());
  for (const Repro& repro : repros()) {
    EXPECT_NE(find_system(repro.system), nullptr) << repro.system;
    EXPECT_FALSE(repro.summary.empty());
  }
}

TEST(Repro, TooFewLinesAreRefusedWithTheNumberNeeded) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t",
                                        "one line that is long enough to be taken for one\nand "
                                        "another that is as long as the first one\n");
  for (const Repro& repro : repros()) {
    try {
      repro.run({.sources = {file}});
      ADD_FAILURE() << "was accepted";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("2 lines of the 1100"), std::string::npos)
          << error.what();
    }
  }
}

}  // namespace
}  // namespace tessera
