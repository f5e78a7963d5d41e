// A table from short strings to values, four ways a set, as the text kernels read it: keys of one
// length class beside each other, so that a set is compared at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tessera {

inline constexpr size_t kUnitWays = 4;
// Longest strings of the two classes. Every key holds the string's length in its last byte, so that
// zeros are the key of no string.
inline constexpr uint32_t kShortUnit = 7, kMediumUnit = 15;
inline constexpr uint64_t kNoValue = ~uint64_t{0};

struct ShortSet {  // one line
  std::array<uint64_t, kUnitWays> keys;
  std::array<uint64_t, kUnitWays> values;
};

struct MediumKey {
  uint64_t low, high;
};
struct MediumSet {
  std::array<MediumKey, kUnitWays> keys;
  std::array<uint64_t, kUnitWays> values;
};

// These are static, so that no file takes another one's copy, which newer instructions may be in.
// `bytes`: the string's, followed by any others. `mark`: 0x80 keeps a string apart from an equal
// one without it.
static inline uint64_t short_key(uint64_t bytes, uint32_t length, uint32_t mark) {
  const uint32_t unused = 64 - 8 * length;
  return (bytes << unused >> unused) | static_cast<uint64_t>(length | mark) << 56;
}
static inline MediumKey medium_key(uint64_t low, uint64_t high, uint32_t length, uint32_t mark) {
  return {low, (high & ~(~uint64_t{0} << 8 * (length - 8))) | static_cast<uint64_t>(length | mark)
                                                                  << 56};
}

inline constexpr uint64_t kUnitFactor = 0x9E3779B97F4A7C15, kUnitFactor2 = 0xD6E8FEB86659FD93;

// Number of the set, of 2^bits sets.
static inline size_t short_place(uint64_t key, int bits) { return key * kUnitFactor >> (64 - bits); }
static inline size_t medium_place(const MediumKey& key, int bits) {
  return (key.low * kUnitFactor ^ key.high * kUnitFactor2) * kUnitFactor >> (64 - bits);
}

// Strings to look up: number i is text[starts[i], starts[i + 1]).
struct UnitBatch {
  static constexpr size_t kMost = 256;
  const char* text;
  const uint32_t* starts;
  // Their numbers by length class; room for a few more than there are is needed.
  std::array<uint32_t, kMost + 16> shorts, mediums, longs;
  size_t short_count, medium_count, long_count;
};

}  // namespace tessera
