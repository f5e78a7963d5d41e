// Classes of bytes as bit masks: 64 bytes at a time, so that rules about neighbours are shifts.
#pragma once

#include <array>
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
  uint64_t tab;
  uint64_t visible;  // 0x21 .. 0x7E
  uint64_t high;
};

// A set of the lead bytes of UTF-8, 0xC0 .. 0xFF.
struct LeadSet {
  // For each low half of a byte, a bit for each of the high halves C, D, E and F.
  std::array<uint8_t, 16> high_halves{};
  constexpr void add(unsigned char lead) {
    high_halves[lead & 15] |= static_cast<uint8_t>(1 << ((lead >> 4) - 12));
  }
};

// What bytes from 0x80 on are in UTF-8.
struct WideMasks {
  uint64_t two, three,
      four;             // leads of characters of so many bytes; 0xC0, 0xC1 and from 0xF5: none
  uint64_t tail;        // 0x80 .. 0xBF
  uint64_t upper_tail;  // 0xB8 .. 0xBF
  uint64_t in_first, in_second;  // leads of the two sets that were asked for
};

// Which pairs of ASCII characters are in a relation, as up to 16 rectangles: those in front are in
// one group each, those behind name the groups that they follow.
struct PairGroups {
  std::array<std::array<uint8_t, 128>, 2> front{}, behind{};
};

}  // namespace tessera
