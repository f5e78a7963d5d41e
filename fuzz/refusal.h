// What a refusal owes its reader, whatever the bytes were.
#pragma once

#include <cstring>

#include "tessera/base/error.h"

namespace tessera::fuzz {

// One line that is not empty.
inline void expect_one_line(const Error& error) {
  if (*error.what() == '\0' || std::strchr(error.what(), '\n')) __builtin_trap();
}

}  // namespace tessera::fuzz
