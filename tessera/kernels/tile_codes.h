// How 8-bit codes come into an activation tile; included once a level.
#pragma once

#include <cstdint>
#include <cstring>

namespace tessera {
namespace {

// Stores 32 codes into one token's places of a block, and their sums.   words [8, tokens]
inline void put_codes(const int8_t* codes, int64_t tokens, int32_t* words, int32_t* sums) {
  int32_t sum[2] = {0, 0};
  for (int i = 0; i < 16; ++i) {
    sum[0] += codes[i];
    sum[1] += codes[16 + i];
  }
  for (int j = 0; j < 8; ++j) std::memcpy(&words[j * tokens], codes + 4 * j, 4);
  sums[0] = sum[0];
  sums[tokens] = sum[1];
}

}  // namespace
}  // namespace tessera
