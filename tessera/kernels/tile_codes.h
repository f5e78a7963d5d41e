// How 8-bit codes come into an activation tile; included once a level.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace tessera {
namespace {

// A whole number held as a float; anything for what is none.
inline int32_t whole(float x) { return static_cast<int32_t>(std::lrintf(x)); }

// Stores 32 whole numbers of 8 bits into one token's places of a block, and their sums.
//   words [8, tokens]   sums [2, tokens]
inline void put_codes(F first, F last, int64_t tokens, int32_t* words, int32_t* sums) {
  alignas(4) int8_t codes[32];
  store_int8(codes, first);
  store_int8(codes + 16, last);
  for (int j = 0; j < 8; ++j) std::memcpy(&words[j * tokens], codes + 4 * j, 4);
  // Whole numbers below 2^24: fp32 adds them exactly.
  sums[0] = whole(reduce_add(first));
  sums[tokens] = whole(reduce_add(last));
}

}  // namespace
}  // namespace tessera
