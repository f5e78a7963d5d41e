// What tests of the verbs share: models that may not be there, results and refusals.
#pragma once

#include <algorithm>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/files/model.h"
#include "tests/apps/spawn.h"

#define NEEDS_MODEL(name)         \
  try {                           \
    resolve_model(name);          \
  } catch (const Error& error) {  \
    GTEST_SKIP() << error.what(); \
  }

namespace tessera::test {

// The object on the last line of what a verb printed.
inline nlohmann::json last_object(const Ended& e) {
  EXPECT_EQ(e.status, 0) << e.err;
  const size_t end = e.out.find_last_not_of('\n');
  const size_t begin = e.out.rfind('\n', end);
  return nlohmann::json::parse(e.out.substr(begin == std::string::npos ? 0 : begin + 1));
}

// Nothing on standard output, one line that holds `words` on standard error.
inline void expect_refused(const Ended& e, int status, const std::string& words) {
  EXPECT_EQ(e.status, status) << e.err;
  EXPECT_EQ(e.out, "");
  EXPECT_EQ(std::count(e.err.begin(), e.err.end(), '\n'), 1) << e.err;
  EXPECT_NE(e.err.find(words), std::string::npos) << e.err;
}

}  // namespace tessera::test
