// What an act is refused with.
#pragma once

#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "tessera/base/error.h"

namespace tessera::test {

// The Error that `act` throws; "" when it throws none.
inline std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline void expect_says(const std::string& said, const std::string& part) {
  EXPECT_NE(said.find(part), std::string::npos) << said;
}

}  // namespace tessera::test
