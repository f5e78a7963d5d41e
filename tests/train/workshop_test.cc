#include "tessera/base/workshop.h"

#include <string>

#include <gtest/gtest.h>

#include "tessera/base/version.h"

namespace tessera {
namespace {

// As the command line does it: everything that the library needs must be found.
TEST(Workshop, CanBeOpened) {
  const WorkshopTable& table = open_workshop();
  EXPECT_EQ(table.version, version());
  EXPECT_EQ(table.libraries().find("libtorch "), 0u);
  EXPECT_NE(table.load_network, nullptr);
  EXPECT_NE(table.train_recall, nullptr);
}

}  // namespace
}  // namespace tessera
