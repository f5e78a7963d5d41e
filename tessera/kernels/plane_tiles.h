// Fifteen bits as two planes of 8, for levels with an instruction that adds four products of bytes
// in 32 bits; included once by such a level, after its lanes.
#pragma once

#include <cstdint>

#include "tessera/kernels/packing.h"
#include "tessera/kernels/tile_codes.h"

namespace tessera {
namespace {

constexpr bool kWideTiles = false;
// Tokens that one call of dot_tokens() takes at most.
constexpr int kTokensAtOnce = 1;

// Stores 32 whole numbers of 15 bits into one token's places of a block, and their sums.
inline void put_fine(F first, F last, int64_t tokens, int32_t* words) {
  const F coarse_first = round(mul(first, splat(1.f / 128)));
  const F coarse_last = round(mul(last, splat(1.f / 128)));
  put_codes(coarse_first, coarse_last, tokens, words, words + 10 * tokens);
  put_codes(fma(coarse_first, splat(-128.f), first), fma(coarse_last, splat(-128.f), last), tokens,
            words + 12 * tokens, words + 20 * tokens);
}

// Sums of weight codes times activations in units of their scale, over lines kFirst .. kLast - 1,
// for kTokens tokens; both planes of fifteen bits are multiplied by the same unpacked weights.
//   x   the first token's first codes in this block   out [kTokens]
template <bool kNibbles, Activations kKind, int kFirst, int kLast, int kTokens>
inline void dot_tokens(const Codes& codes, const int32_t* x, int64_t ld, I* out) {
  static_assert(kTokens == 1);
  auto plane = [&](const int32_t* plane_codes, const int32_t* sums) {
    if constexpr (kNibbles) {
      return dot_nibbles<kFirst, kLast>(codes, plane_codes, ld);
    } else {
      const int32_t sum = (kFirst == 0 ? sums[0] : 0) + (kLast == 8 ? sums[ld] : 0);
      return dot_bytes<kFirst, kLast>(codes, plane_codes, ld, sum);
    }
  };
  const I coarse = plane(x, x + 10 * ld);
  if constexpr (kKind == Activations::eight_bits) {
    *out = coarse;
  } else {
    *out = add_shifted(plane(x + 12 * ld, x + 20 * ld), coarse);
  }
}

}  // namespace
}  // namespace tessera
