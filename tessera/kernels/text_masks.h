// Classes of bytes as bit masks: 64 bytes at a time, so that rules about neighbours are shifts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera {

// Bit i stands for byte i of 64. Bytes from 0x80 on are `high` and nothing else.
struct AsciiMasks {
  uint64_t lower, upper, digit;  // a-z, A-Z, 0-9
  uint64_t newline;              // \r \n
  uint64_t white;                // \t \n \v \f \r and the space
  uint64_t space;                // U+0020
  uint64_t apostrophe;
  uint64_t slash;
  uint64_t high;
};

}  // namespace tessera
