// The bodies of the matrix products and of what they read; included once a level, after its lanes.
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "tessera/kernels/kernels.h"
#include "tessera/kernels/tile_codes.h"

namespace tessera {
namespace {

// Values are rounded to units of largest magnitude / 127 of each 32 columns, or of that / 128.
template <Activations kKind>
void quantise_as(const float* x, int64_t stride, int64_t tokens, int64_t columns, std::byte* tile) {
  constexpr bool kFine = kKind == Activations::fifteen_bits;
  constexpr float kUnits = kFine ? 127 * 128 : 127;
  auto* words = reinterpret_cast<int32_t*>(tile);
  for (int64_t b = 0; b < columns / kBlockColumns; ++b, words += tile_block_words(kKind, tokens)) {
    auto* scales = reinterpret_cast<float*>(words + 8 * tokens);
    for (int64_t t = 0; t < tokens; ++t) {
      const float* row = x + t * stride + b * kBlockColumns;
      F first = load(row), last = load(row + 16);
      float largest = reduce_max(max(abs(first), abs(last)));
      float scale = largest / kUnits;
      F inverse = splat(largest > 0 ? kUnits / largest : 0.f);
      first = round(mul(first, inverse));
      last = round(mul(last, inverse));
      if constexpr (kFine) {
        put_fine(first, last, tokens, words + t);
      } else {
        put_codes(first, last, tokens, words + t, words + 10 * tokens + t);
      }
      scales[t] = scale;
      // Whole numbers below 2^24: fp32 adds them exactly.
      scales[tokens + t] = scale * (reduce_add(first) + reduce_add(last));
    }
  }
}

void quantise(Activations kind, const float* x, int64_t stride, int64_t tokens, int64_t columns,
              std::byte* tile) {
  if (kind == Activations::eight_bits) {
    return quantise_as<Activations::eight_bits>(x, stride, tokens, columns, tile);
  }
  quantise_as<Activations::fifteen_bits>(x, stride, tokens, columns, tile);
}

// The sum of a token's values over the first or the last 16 columns of a block, in units of scale.
template <Activations kKind>
inline float half_sum(const int32_t* x, int64_t ld, int64_t half) {
  const int32_t coarse = x[(10 + half) * ld];
  if constexpr (kKind == Activations::eight_bits || kWideTiles) return static_cast<float>(coarse);
  return static_cast<float>(128 * coarse + x[(20 + half) * ld]);
}

// Weights come from memory in one stream, so far in front of what is multiplied: the processor's
// own fetching begins anew at each page, and one token's products do not hide it.
constexpr int64_t kAhead = 2048;
template <int kBytes>
inline void fetch_ahead(const std::byte* w) {
#pragma GCC unroll 16
  for (int at = 0; at < kBytes; at += 64) __builtin_prefetch(w + kAhead + at);
}

// One group of 16 rows times kTokens of the tile's `ld` tokens. The sums run over blocks in
// ascending order, in each first the minimum, then the codes: the same for any kTokens.
template <Packing kPacking, Activations kKind, int kTokens>
inline void multiply_quantised(const std::byte* w, int64_t blocks, const int32_t* x, int64_t ld,
                               float* out, int64_t stride) {
  constexpr bool kNibbles = kPacking == Packing::nibbles;
  constexpr bool kMinimum =
      kNibbles || kPacking == Packing::bytes_min || kPacking == Packing::bytes_half_min;
  constexpr bool kHalf = kPacking == Packing::bytes_half || kPacking == Packing::bytes_half_min;
  constexpr int kStep = std::min(kTokens, kTokensAtOnce);
  static_assert(kTokens % kStep == 0);
  F sum[kTokens];
#pragma GCC unroll 16
  for (int t = 0; t < kTokens; ++t) sum[t] = splat(0.f);
  for (int64_t b = 0; b < blocks; ++b, x += tile_block_words(kKind, ld)) {
    const auto* scale = reinterpret_cast<const float*>(x + 8 * ld);
    Codes codes;
    F d, d2, m, m2;
    if constexpr (kPacking == Packing::nibbles) {
      constexpr int kBytes = 320;
      fetch_ahead<kBytes>(w);
      codes = unpack_nibbles(w);
      d = load_f16(w + 256);
      m = load_f16(w + 288);
      w += kBytes;
    } else {
      constexpr int kBytes = 576 + (kHalf ? 64 : 0) + (kMinimum ? (kHalf ? 128 : 64) : 0);
      fetch_ahead<kBytes>(w);
      codes = load_bytes(w);
      const auto* s = reinterpret_cast<const float*>(w + 512);
      d = load(s);
      if constexpr (kHalf) d2 = load(s + 16);
      if constexpr (kMinimum) m = load(s + (kHalf ? 32 : 16));
      if constexpr (kMinimum && kHalf) m2 = load(s + 48);
      w += kBytes;
    }
#pragma GCC unroll 16
    for (int first = 0; first < kTokens; first += kStep) {
      const int32_t* some = x + first;
      I ints[kStep], more[kStep];
      if constexpr (kHalf) {
        dot_tokens<kNibbles, kKind, 0, 4, kStep>(codes, some, ld, ints);
        dot_tokens<kNibbles, kKind, 4, 8, kStep>(codes, some, ld, more);
      } else {
        dot_tokens<kNibbles, kKind, 0, 8, kStep>(codes, some, ld, ints);
      }
#pragma GCC unroll 16
      for (int i = 0; i < kStep; ++i) {
        const int t = first + i;
        const F a = splat(scale[t]);
        if constexpr (kHalf) {
          if constexpr (kMinimum) {
            sum[t] = fma(m, splat(scale[t] * half_sum<kKind>(x + t, ld, 0)), sum[t]);
            sum[t] = fma(m2, splat(scale[t] * half_sum<kKind>(x + t, ld, 1)), sum[t]);
          }
          sum[t] = fma(from_int(ints[i]), mul(d, a), sum[t]);
          sum[t] = fma(from_int(more[i]), mul(d2, a), sum[t]);
        } else {
          if constexpr (kMinimum) sum[t] = fma(m, splat(scale[ld + t]), sum[t]);
          sum[t] = fma(from_int(ints[i]), mul(d, a), sum[t]);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < kTokens; ++t) store(out + t * stride, sum[t]);
}

template <Packing kPacking>
inline F load_plain(const std::byte* w) {
  if constexpr (kPacking == Packing::f32) return load(reinterpret_cast<const float*>(w));
  if constexpr (kPacking == Packing::f16) return load_f16(w);
  if constexpr (kPacking == Packing::bf16) return load_bf16(w);
}

// kGroups groups at once, because one token and one group would be a single chain of additions.
template <Packing kPacking, int kGroups, int kTokens>
inline void multiply_plain(const std::byte* w, int64_t group_bytes, int64_t columns, const float* x,
                           int64_t x_stride, float* out, int64_t stride) {
  constexpr int64_t kStep = kPacking == Packing::f32 ? 64 : 32;
  F sum[kGroups][kTokens];
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
#pragma GCC unroll 16
    for (int t = 0; t < kTokens; ++t) sum[g][t] = splat(0.f);
  }
  for (int64_t k = 0; k < columns; ++k) {
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) {
      const F v = load_plain<kPacking>(w + g * group_bytes + k * kStep);
#pragma GCC unroll 16
      for (int t = 0; t < kTokens; ++t) sum[g][t] = fma(v, splat(x[t * x_stride + k]), sum[g][t]);
    }
  }
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
#pragma GCC unroll 16
    for (int t = 0; t < kTokens; ++t) store(out + t * stride + g * kGroupRows, sum[g][t]);
  }
}

// Calls use(tokens, first) with compile-time token counts of at most kMost that add up to `tokens`,
// of which there are at most kTileTokens: halves of what is left rather than six and a small rest,
// which would read the weights again for little.
template <int kMost, class Use>
inline void cut_tile(int64_t tokens, Use use) {
  static_assert(kMost == 6 || kMost == kTileTokens);
  if constexpr (kMost == kTileTokens) {
    if (tokens == kMost) return use(std::integral_constant<int, kMost>{}, 0);
  }
  for (int64_t t = 0, count = tokens > 6 ? (tokens + 1) / 2 : tokens; t < tokens;
       t += count, count = tokens - t) {
    switch (count) {
      case 1:
        use(std::integral_constant<int, 1>{}, t);
        break;
      case 2:
        use(std::integral_constant<int, 2>{}, t);
        break;
      case 3:
        use(std::integral_constant<int, 3>{}, t);
        break;
      case 4:
        use(std::integral_constant<int, 4>{}, t);
        break;
      case 5:
        use(std::integral_constant<int, 5>{}, t);
        break;
      default:
        use(std::integral_constant<int, 6>{}, t);
    }
  }
}

template <Packing kPacking>
void linear_as(const PackedMatrix& w, int64_t group_begin, int64_t group_end,
               const ActivationTile& tile, float* out, int64_t stride) {
  const int64_t group_bytes = w.group_bytes();
  if constexpr (takes_quantised(kPacking)) {
    const auto* x = reinterpret_cast<const int32_t*>(tile.quantised);
    auto run = [&]<Activations kKind>(std::integral_constant<Activations, kKind>) {
      for (int64_t g = group_begin; g < group_end; ++g) {
        cut_tile<kTileTokens>(tile.tokens,
                              [&]<int kTokens>(std::integral_constant<int, kTokens>, int64_t t) {
                                multiply_quantised<kPacking, kKind, kTokens>(
                                    w.data + g * group_bytes, w.columns / kBlockColumns, x + t,
                                    tile.tokens, out + t * stride + g * kGroupRows, stride);
                              });
      }
    };
    if (tile.activations == Activations::eight_bits) {
      run(std::integral_constant<Activations, Activations::eight_bits>{});
    } else {
      run(std::integral_constant<Activations, Activations::fifteen_bits>{});
    }
  } else {
    auto run = [&]<int kGroups>(std::integral_constant<int, kGroups>, int64_t g) {
      // Sums of 16 lanes that stay in registers.
      constexpr int kPlainSums = kSumsAtOnce * kRegisterLanes / 16;
      constexpr int kMost = kPlainSums >= kTileTokens ? kTileTokens : 6;
      cut_tile<kMost>(tile.tokens,
                      [&]<int kTokens>(std::integral_constant<int, kTokens>, int64_t t) {
                        // Where four groups' sums do not fit the registers, groups are taken one by
                        // one.
                        constexpr int kTogether = kTokens * kGroups <= kPlainSums ? kGroups : 1;
                        for (int part = 0; part < kGroups; part += kTogether) {
                          multiply_plain<kPacking, kTogether, kTokens>(
                              w.data + (g + part) * group_bytes, group_bytes, w.columns,
                              tile.plain + t * tile.plain_stride, tile.plain_stride,
                              out + t * stride + (g + part) * kGroupRows, stride);
                        }
                      });
    };
    int64_t g = group_begin;
    for (; group_end - g >= 4; g += 4) run(std::integral_constant<int, 4>{}, g);
    for (; g < group_end; ++g) run(std::integral_constant<int, 1>{}, g);
  }
}

void linear(const PackedMatrix& w, int64_t group_begin, int64_t group_end,
            const ActivationTile& tile, float* out, int64_t stride) {
  switch (w.packing) {
    case Packing::f32:
      return linear_as<Packing::f32>(w, group_begin, group_end, tile, out, stride);
    case Packing::f16:
      return linear_as<Packing::f16>(w, group_begin, group_end, tile, out, stride);
    case Packing::bf16:
      return linear_as<Packing::bf16>(w, group_begin, group_end, tile, out, stride);
    case Packing::nibbles:
      return linear_as<Packing::nibbles>(w, group_begin, group_end, tile, out, stride);
    case Packing::bytes:
      return linear_as<Packing::bytes>(w, group_begin, group_end, tile, out, stride);
    case Packing::bytes_min:
      return linear_as<Packing::bytes_min>(w, group_begin, group_end, tile, out, stride);
    case Packing::bytes_half:
      return linear_as<Packing::bytes_half>(w, group_begin, group_end, tile, out, stride);
    case Packing::bytes_half_min:
      return linear_as<Packing::bytes_half_min>(w, group_begin, group_end, tile, out, stride);
  }
}

}  // namespace
}  // namespace tessera
