// The kernels, written once on the 16 lanes of a lanes_*.h. A level's source includes its lanes,
// then this file, and defines its table; everything here is local to that source.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tessera/kernels/half.h"
#include "tessera/kernels/kernels.h"
#include "tessera/kernels/text_bodies.h"
#include "tessera/kernels/unit_bodies.h"

namespace tessera {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// e^x to 1e-7 relative; 0 below -87.3, where results would be subnormal.
inline F exp(F x) {
  const F low = splat(-87.3f);
  F y = min(max(x, low), splat(88.3f));
  F n = round(mul(y, splat(1.44269504f)));
  F r = fma(n, splat(-0.693359375f), y);
  r = fma(n, splat(2.12194440e-4f), r);
  F p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = add(fma(p, mul(r, r), r), splat(1.f));
  return select_greater(x, low, mul(p, power_of_two(n)), splat(0.f));
}

inline F tanh(F x) {
  // 1 - 2 / (e^2x + 1) loses digits near 0, where the odd polynomial is exact to 1e-7.
  F magnitude = abs(x);
  F e = exp(mul(splat(2.f), min(magnitude, splat(20.f))));
  F large = sub(splat(1.f), div(splat(2.f), add(e, splat(1.f))));
  F square = mul(x, x);
  F p = splat(-5.70498872745e-3f);
  p = fma(p, square, splat(2.06390887954e-2f));
  p = fma(p, square, splat(-5.37397155531e-2f));
  p = fma(p, square, splat(1.33314422036e-1f));
  p = fma(p, square, splat(-3.33332819422e-1f));
  F small = fma(mul(p, square), x, x);
  F signed_large = select_greater(splat(0.f), x, sub(splat(0.f), large), large);
  return select_greater(magnitude, splat(0.625f), signed_large, small);
}

// Abramowitz and Stegun 7.1.26, absolute error 1.5e-7.
inline F erf(F x) {
  F magnitude = abs(x);
  F t = div(splat(1.f), fma(splat(0.3275911f), magnitude, splat(1.f)));
  F p = splat(1.061405429f);
  p = fma(p, t, splat(-1.453152027f));
  p = fma(p, t, splat(1.421413741f));
  p = fma(p, t, splat(-0.284496736f));
  p = fma(p, t, splat(0.254829592f));
  F y = sub(splat(1.f), mul(mul(p, t), exp(sub(splat(0.f), mul(x, x)))));
  return select_greater(splat(0.f), x, sub(splat(0.f), y), y);
}

inline F logistic(F x) { return div(splat(1.f), add(splat(1.f), exp(sub(splat(0.f), x)))); }

template <Activation kKind>
inline F activation(F x) {
  if constexpr (kKind == Activation::gelu) {
    return mul(mul(splat(0.5f), x), add(splat(1.f), erf(mul(x, splat(0.70710678f)))));
  } else if constexpr (kKind == Activation::gelu_tanh) {
    F cubic = fma(mul(splat(0.044715f), mul(x, x)), x, x);
    return mul(mul(splat(0.5f), x), add(splat(1.f), tanh(mul(cubic, splat(0.79788456f)))));
  } else if constexpr (kKind == Activation::silu) {
    return mul(x, logistic(x));
  } else if constexpr (kKind == Activation::quick_gelu) {
    return mul(x, logistic(mul(splat(1.702f), x)));
  } else {
    F positive = max(x, splat(0.f));
    return kKind == Activation::relu_squared ? mul(positive, positive) : positive;
  }
}

template <class Use>
void with_activation(Activation kind, Use use) {
  switch (kind) {
    case Activation::gelu:
      return use([](F x) { return activation<Activation::gelu>(x); });
    case Activation::gelu_tanh:
      return use([](F x) { return activation<Activation::gelu_tanh>(x); });
    case Activation::silu:
      return use([](F x) { return activation<Activation::silu>(x); });
    case Activation::relu:
      return use([](F x) { return activation<Activation::relu>(x); });
    case Activation::relu_squared:
      return use([](F x) { return activation<Activation::relu_squared>(x); });
    case Activation::quick_gelu:
      return use([](F x) { return activation<Activation::quick_gelu>(x); });
  }
}

void activate(Activation kind, const float* x, int64_t n, float* out) {
  with_activation(kind, [&](auto f) {
    for (int64_t i = 0; i < n; i += 16) store_n(out + i, f(load_n(x + i, n - i)), n - i);
  });
}

void gate(Activation kind, const float* g, const float* up, int64_t n, float* out) {
  with_activation(kind, [&](auto f) {
    for (int64_t i = 0; i < n; i += 16) {
      store_n(out + i, mul(f(load_n(g + i, n - i)), load_n(up + i, n - i)), n - i);
    }
  });
}

void add_scaled(const float* a, const float* b, float scale, int64_t n, float* out) {
  const F s = splat(scale);
  for (int64_t i = 0; i < n; i += 16) {
    store_n(out + i, fma(s, load_n(b + i, n - i), load_n(a + i, n - i)), n - i);
  }
}

void softcap(const float* x, float cap, int64_t n, float* out) {
  const F c = splat(cap), inverse = splat(1 / cap);
  for (int64_t i = 0; i < n; i += 16) {
    store_n(out + i, mul(c, tanh(mul(load_n(x + i, n - i), inverse))), n - i);
  }
}

float softmax(float* x, int64_t n) {
  F top = splat(-kInfinity);
  for (int64_t i = 0; i < n; i += 16) {
    top = max(top, select_range(load_n(x + i, n - i), top, 0, n - i));
  }
  const float maximum = reduce_max(top);
  F sum = splat(0.f);
  for (int64_t i = 0; i < n; i += 16) {
    F e = select_range(exp(sub(load_n(x + i, n - i), splat(maximum))), splat(0.f), 0, n - i);
    store_n(x + i, e, n - i);
    sum = add(sum, e);
  }
  const float total = reduce_add(sum);
  const F inverse = splat(1 / total);
  for (int64_t i = 0; i < n; i += 16) store_n(x + i, mul(load_n(x + i, n - i), inverse), n - i);
  return maximum + std::log(total);
}

void rms_norm(const float* x, const float* weight, float epsilon, float offset, int64_t n,
              float* out) {
  F squares = splat(0.f);
  for (int64_t i = 0; i < n; i += 16) {
    F v = load_n(x + i, n - i);
    squares = fma(v, v, squares);
  }
  const F scale = splat(1 / std::sqrt(reduce_add(squares) / static_cast<float>(n) + epsilon));
  const F plus = splat(offset);
  for (int64_t i = 0; i < n; i += 16) {
    F w = add(load_n(weight + i, n - i), plus);
    store_n(out + i, mul(mul(load_n(x + i, n - i), scale), w), n - i);
  }
}

void layer_norm(const float* x, const float* weight, const float* bias, float epsilon, float offset,
                int64_t n, float* out) {
  F sum = splat(0.f);
  for (int64_t i = 0; i < n; i += 16) sum = add(sum, load_n(x + i, n - i));
  const F mean = splat(reduce_add(sum) / static_cast<float>(n));
  F squares = splat(0.f);
  for (int64_t i = 0; i < n; i += 16) {
    F v = select_range(sub(load_n(x + i, n - i), mean), splat(0.f), 0, n - i);
    squares = fma(v, v, squares);
  }
  const F scale = splat(1 / std::sqrt(reduce_add(squares) / static_cast<float>(n) + epsilon));
  const F plus = splat(offset);
  for (int64_t i = 0; i < n; i += 16) {
    F w = add(load_n(weight + i, n - i), plus);
    F y = mul(mul(sub(load_n(x + i, n - i), mean), scale), w);
    if (bias) y = add(y, load_n(bias + i, n - i));
    store_n(out + i, y, n - i);
  }
}

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

// Values are rounded to units of largest magnitude / 127 of each 32 columns, or of that / 128.
template <Activations kKind>
void quantise_as(const float* x, int64_t stride, int64_t tokens, int64_t columns, std::byte* tile) {
  constexpr bool kFine = kKind == Activations::fifteen_bits;
  constexpr float kUnits = kFine ? 127 * 128 : 127;
  auto* words = reinterpret_cast<int32_t*>(tile);
  for (int64_t b = 0; b < columns / kBlockColumns; ++b, words += tile_block_words(kKind, tokens)) {
    auto* scales = reinterpret_cast<float*>(words + 8 * tokens);
    int32_t* sums = words + 10 * tokens;
    for (int64_t t = 0; t < tokens; ++t) {
      const float* row = x + t * stride + b * kBlockColumns;
      F first = load(row), last = load(row + 16);
      float largest = reduce_max(max(abs(first), abs(last)));
      float scale = largest / kUnits;
      F inverse = splat(largest > 0 ? kUnits / largest : 0.f);
      alignas(4) int8_t codes[32];
      first = round(mul(first, inverse));
      last = round(mul(last, inverse));
      int32_t sum = 0;
      if constexpr (kFine) {
        const F coarse_first = round(mul(first, splat(1.f / 128)));
        const F coarse_last = round(mul(last, splat(1.f / 128)));
        int32_t* fine_words = words + 12 * tokens;
        int32_t* fine_sums = words + 20 * tokens;
        store_int8(codes, fma(coarse_first, splat(-128.f), first));
        store_int8(codes + 16, fma(coarse_last, splat(-128.f), last));
        put_codes(codes, tokens, fine_words + t, fine_sums + t);
        sum = fine_sums[t] + fine_sums[tokens + t];
        first = coarse_first;
        last = coarse_last;
      }
      store_int8(codes, first);
      store_int8(codes + 16, last);
      put_codes(codes, tokens, words + t, sums + t);
      sum += (sums[t] + sums[tokens + t]) * (kFine ? 128 : 1);
      scales[t] = scale;
      scales[tokens + t] = scale * static_cast<float>(sum);
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

// Sums of weight codes times activations in units of their scale, over lines kFirst .. kLast - 1;
// both planes of fifteen bits are multiplied by the same unpacked weights.
//   x   the token's first codes in this block
template <Packing kPacking, Activations kKind, int kFirst, int kLast>
inline I dot(const Codes& codes, const int32_t* x, int64_t ld) {
  auto plane = [&](const int32_t* plane_codes, const int32_t* sums) {
    if constexpr (kPacking == Packing::nibbles) {
      return dot_nibbles<kFirst, kLast>(codes, plane_codes, ld);
    } else {
      const int32_t sum = (kFirst == 0 ? sums[0] : 0) + (kLast == 8 ? sums[ld] : 0);
      return dot_bytes<kFirst, kLast>(codes, plane_codes, ld, sum);
    }
  };
  const I coarse = plane(x, x + 10 * ld);
  if constexpr (kKind == Activations::eight_bits) return coarse;
  return add_shifted(plane(x + 12 * ld, x + 20 * ld), coarse);
}

// The sum of a token's values over the first or the last 16 columns of a block, in units of scale.
template <Activations kKind>
inline float half_sum(const int32_t* x, int64_t ld, int64_t half) {
  const int32_t coarse = x[(10 + half) * ld];
  if constexpr (kKind == Activations::eight_bits) return static_cast<float>(coarse);
  return static_cast<float>(128 * coarse + x[(20 + half) * ld]);
}

// One group of 16 rows times kTokens of the tile's `ld` tokens. The sums run over blocks in
// ascending order, in each first the minimum, then the codes: the same for any kTokens.
template <Packing kPacking, Activations kKind, int kTokens>
inline void multiply_quantised(const std::byte* w, int64_t blocks, const int32_t* x, int64_t ld,
                               float* out, int64_t stride) {
  constexpr bool kMinimum = kPacking == Packing::nibbles || kPacking == Packing::bytes_min ||
                            kPacking == Packing::bytes_half_min;
  constexpr bool kHalf = kPacking == Packing::bytes_half || kPacking == Packing::bytes_half_min;
  F sum[kTokens];
#pragma GCC unroll 16
  for (int t = 0; t < kTokens; ++t) sum[t] = splat(0.f);
  for (int64_t b = 0; b < blocks; ++b, x += tile_block_words(kKind, ld)) {
    const auto* scale = reinterpret_cast<const float*>(x + 8 * ld);
    Codes codes;
    F d, d2, m, m2;
    if constexpr (kPacking == Packing::nibbles) {
      codes = unpack_nibbles(w);
      d = load_f16(w + 256);
      m = load_f16(w + 288);
      w += 320;
    } else {
      codes = load_bytes(w);
      const auto* s = reinterpret_cast<const float*>(w + 512);
      d = load(s);
      if constexpr (kHalf) d2 = load(s + 16);
      if constexpr (kMinimum) m = load(s + (kHalf ? 32 : 16));
      if constexpr (kMinimum && kHalf) m2 = load(s + 48);
      w += 576 + (kHalf ? 64 : 0) + (kMinimum ? (kHalf ? 128 : 64) : 0);
    }
#pragma GCC unroll 16
    for (int t = 0; t < kTokens; ++t) {
      const F a = splat(scale[t]);
      if constexpr (kHalf) {
        if constexpr (kMinimum) {
          sum[t] = fma(m, splat(scale[t] * half_sum<kKind>(x + t, ld, 0)), sum[t]);
          sum[t] = fma(m2, splat(scale[t] * half_sum<kKind>(x + t, ld, 1)), sum[t]);
        }
        sum[t] = fma(from_int(dot<kPacking, kKind, 0, 4>(codes, x + t, ld)), mul(d, a), sum[t]);
        sum[t] = fma(from_int(dot<kPacking, kKind, 4, 8>(codes, x + t, ld)), mul(d2, a), sum[t]);
      } else {
        if constexpr (kMinimum) sum[t] = fma(m, splat(scale[ld + t]), sum[t]);
        sum[t] = fma(from_int(dot<kPacking, kKind, 0, 8>(codes, x + t, ld)), mul(d, a), sum[t]);
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

// Calls use(tokens, first) with compile-time token counts that add up to `tokens`.
template <class Use>
inline void cut_tile(int64_t tokens, Use use) {
  int64_t t = 0;
  auto take = [&]<int kTokens>(std::integral_constant<int, kTokens> count) {
    for (; tokens - t >= kTokens; t += kTokens) use(count, t);
  };
  take(std::integral_constant<int, 12>{});
  take(std::integral_constant<int, 6>{});
  take(std::integral_constant<int, 3>{});
  take(std::integral_constant<int, 2>{});
  take(std::integral_constant<int, 1>{});
}

template <Packing kPacking>
void linear_as(const PackedMatrix& w, int64_t group_begin, int64_t group_end,
               const ActivationTile& tile, float* out, int64_t stride) {
  const int64_t group_bytes = w.group_bytes();
  if constexpr (takes_quantised(kPacking)) {
    const auto* x = reinterpret_cast<const int32_t*>(tile.quantised);
    auto run = [&]<Activations kKind>(std::integral_constant<Activations, kKind>) {
      for (int64_t g = group_begin; g < group_end; ++g) {
        cut_tile(tile.tokens, [&]<int kTokens>(std::integral_constant<int, kTokens>, int64_t t) {
          multiply_quantised<kPacking, kKind, kTokens>(
              w.data + g * group_bytes, w.columns / kBlockColumns, x + t, tile.tokens,
              out + t * stride + g * kGroupRows, stride);
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
      cut_tile(tile.tokens, [&]<int kTokens>(std::integral_constant<int, kTokens>, int64_t t) {
        // Twelve tokens of four groups do not fit the registers; they are taken group by group.
        constexpr int kTogether = kTokens * kGroups <= 24 ? kGroups : 1;
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

template <CacheType kType>
inline F load_cached(const void* base, int64_t at) {
  if constexpr (kType == CacheType::f32) return load(static_cast<const float*>(base) + at);
  if constexpr (kType == CacheType::f16) return load_f16(static_cast<const uint16_t*>(base) + at);
  if constexpr (kType == CacheType::bf16) return load_bf16(static_cast<const uint16_t*>(base) + at);
  if constexpr (kType == CacheType::q8) return load_i8(static_cast<const int8_t*>(base) + at);
}

// The scales behind the codes of a block.   [kBlockKeys]
inline const float* scales_of(const void* block, int64_t width) {
  return reinterpret_cast<const float*>(static_cast<const char*>(block) + width * kBlockKeys);
}

// Scores of kRows queries against the 64 keys of a block.   out rows kChunkKeys apart
template <CacheType kType, int kRows>
inline void score_block(const AttendRow* rows, const void* keys, int64_t width, float* out) {
  F sum[kRows][4];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) sum[r][j] = splat(0.f);
  }
  for (int64_t d = 0; d < width; ++d) {
    F k[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) k[j] = load_cached<kType>(keys, d * kBlockKeys + 16 * j);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const F q = splat(rows[r].query[d]);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) sum[r][j] = fma(q, k[j], sum[r][j]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      if constexpr (kType == CacheType::q8)
        sum[r][j] = mul(sum[r][j], load(scales_of(keys, width) + 16 * j));
      store(out + r * kChunkKeys + 16 * j, sum[r][j]);
    }
  }
}

// Adds the 64 values of a block, weighted, to 16 * kLines dimensions of kRows results.
template <CacheType kType, int kRows, int kLines>
inline void weigh_block(const AttendRow* rows, const float* weights, const void* values,
                        int64_t width, int64_t dimension) {
  F sum[kRows][kLines];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < kLines; ++j) sum[r][j] = load(rows[r].weighted + dimension + 16 * j);
  }
  for (int64_t key = 0; key < kBlockKeys; ++key) {
    F v[kLines];
#pragma GCC unroll 4
    for (int j = 0; j < kLines; ++j) {
      v[j] = load_cached<kType>(values, key * width + dimension + 16 * j);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      float weight = weights[r * kChunkKeys + key];
      if constexpr (kType == CacheType::q8) weight *= scales_of(values, width)[key];
      const F p = splat(weight);
#pragma GCC unroll 4
      for (int j = 0; j < kLines; ++j) sum[r][j] = fma(p, v[j], sum[r][j]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < kLines; ++j) store(rows[r].weighted + dimension + 16 * j, sum[r][j]);
  }
}

// Calls use(count, first) with compile-time row counts that add up to `rows`.
template <class Use>
inline void cut_rows(int64_t rows, Use use) {
  int64_t r = 0;
  auto take = [&]<int kRows>(std::integral_constant<int, kRows> count) {
    for (; rows - r >= kRows; r += kRows) use(count, r);
  };
  take(std::integral_constant<int, 6>{});
  take(std::integral_constant<int, 3>{});
  take(std::integral_constant<int, 2>{});
  take(std::integral_constant<int, 1>{});
}

// Scores to probabilities (not yet divided by their sum), one row.
inline void weigh_scores(const AttendRow& row, float cap, float* scores) {
  const F hidden = splat(-kInfinity);
  F top = hidden;
  for (int64_t j = 0; j < kChunkKeys; j += 16) {
    F s = load(scores + j);
    if (cap != 0) s = mul(splat(cap), tanh(mul(s, splat(1 / cap))));
    if (row.slope != 0) {
      alignas(64) float distance[16];
      for (int64_t i = 0; i < 16; ++i) distance[i] = static_cast<float>(j + i - row.query_at);
      s = fma(splat(row.slope), load(distance), s);
    }
    s = select_range(s, hidden, row.begin - j, row.end - j);
    top = max(top, s);
    store(scores + j, s);
  }
  const float maximum = reduce_max(top);
  *row.maximum = maximum;
  F sum = splat(0.f);
  if (maximum == -kInfinity) {
    for (int64_t j = 0; j < kChunkKeys; j += 16) store(scores + j, sum);
  } else {
    for (int64_t j = 0; j < kChunkKeys; j += 16) {
      F p = exp(sub(load(scores + j), splat(maximum)));
      sum = add(sum, p);
      store(scores + j, p);
    }
  }
  *row.total = reduce_add(sum);
}

template <CacheType kType>
void attend_as(const AttendChunk& c) {
  const auto rows = static_cast<int64_t>(c.rows.size());
  for (int64_t b = 0; b < kChunkBlocks; ++b) {
    if (!c.keys[b]) continue;
    cut_rows(rows, [&]<int kRows>(std::integral_constant<int, kRows>, int64_t r) {
      score_block<kType, kRows>(&c.rows[r], c.keys[b], c.width,
                                c.scores + r * kChunkKeys + b * kBlockKeys);
    });
  }
  for (int64_t r = 0; r < rows; ++r) {
    weigh_scores(c.rows[r], c.softcap, c.scores + r * kChunkKeys);
    std::fill_n(c.rows[r].weighted, c.width, 0.f);
  }
  for (int64_t b = 0; b < kChunkBlocks; ++b) {
    if (!c.keys[b]) continue;
    cut_rows(rows, [&]<int kRows>(std::integral_constant<int, kRows>, int64_t r) {
      const float* weights = c.scores + r * kChunkKeys + b * kBlockKeys;
      int64_t d = 0;
      for (; c.width - d >= 64; d += 64) {
        weigh_block<kType, kRows, 4>(&c.rows[r], weights, c.values[b], c.width, d);
      }
      for (; d < c.width; d += 16) {
        weigh_block<kType, kRows, 1>(&c.rows[r], weights, c.values[b], c.width, d);
      }
    });
  }
}

void attend(const AttendChunk& c) {
  if (c.type == CacheType::f32) return attend_as<CacheType::f32>(c);
  if (c.type == CacheType::f16) return attend_as<CacheType::f16>(c);
  if (c.type == CacheType::q8) return attend_as<CacheType::q8>(c);
  attend_as<CacheType::bf16>(c);
}

void merge(float* maximum, float* total, float* weighted, float chunk_maximum, float chunk_total,
           const float* chunk_weighted, int64_t width) {
  if (chunk_maximum == -kInfinity) return;
  const float top = std::max(*maximum, chunk_maximum);
  // The same vector function scales both sides, so that scalar libm plays no part in the bits.
  alignas(64) float factor[16] = {*maximum - top, chunk_maximum - top};
  store(factor, exp(load(factor)));
  const F old_factor = splat(factor[0]), new_factor = splat(factor[1]);
  *total = *total * factor[0] + chunk_total * factor[1];
  for (int64_t d = 0; d < width; d += 16) {
    F scaled = mul(load(weighted + d), old_factor);
    store(weighted + d, fma(load(chunk_weighted + d), new_factor, scaled));
  }
  *maximum = top;
}

}  // namespace
}  // namespace tessera
