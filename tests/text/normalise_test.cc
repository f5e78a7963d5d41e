#include "tessera/text/normalise.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

// Oracle: Unicode's own rule. Marks of one class keep their order, and the first composes first.
TEST(Normalise, MarksOfOneClassKeepTheirOrder) {
  EXPECT_EQ(normalise("A\u0302\u0300", NormalForm::nfc), "\u1EA6");
  EXPECT_EQ(normalise("A\u0302\u0301", NormalForm::nfc), "\u1EA4");
  EXPECT_EQ(normalise("\u1EA6", NormalForm::nfd), "A\u0302\u0300");
  EXPECT_EQ(normalise("a\u0317\u0316", NormalForm::nfd), "a\u0317\u0316");
  // Of different classes the lower one comes first.
  EXPECT_EQ(normalise("a\u0301\u0323", NormalForm::nfd), "a\u0323\u0301");
}

}  // namespace
}  // namespace tessera
