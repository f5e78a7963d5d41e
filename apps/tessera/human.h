// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace tessera::cli {

// "98.4 MB", in powers of ten.
std::string human_bytes(int64_t bytes);
// "8,192"
std::string grouped(int64_t number);

}  // namespace tessera::cli
