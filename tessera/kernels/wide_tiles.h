// Activation tiles of AVX2 and their products with weights; included once by that level, after its
// lanes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <immintrin.h>

#include "tessera/kernels/packing.h"
#include "tessera/kernels/tile_codes.h"

namespace tessera {
namespace {

// Fifteen bits as 16-bit whole numbers, since two 8-bit products of bytes do not fit 16 bits.
constexpr bool kWideTiles = true;
// Tokens whose sums fit the registers.
constexpr int kTokensAtOnce = 6;

// 8 whole numbers to the dwords of columns (0, 2) and (1, 3) of each four.
inline void put_pairs(__m256 values, int64_t tokens, int32_t* words) {
  const __m256i order = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 8, 9, 4, 5, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1));
  alignas(32) int32_t pairs[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(pairs),
                     _mm256_shuffle_epi8(_mm256_cvtps_epi32(values), order));
  words[0] = pairs[0];
  words[tokens] = pairs[4];
  words[12 * tokens] = pairs[1];
  words[13 * tokens] = pairs[5];
}
// Stores 32 whole numbers of 15 bits into one token's places of a block, and their sums.
inline void put_fine(F first, F last, int64_t tokens, int32_t* words) {
  put_pairs(first.a, tokens, words);
  put_pairs(first.b, tokens, words + 2 * tokens);
  put_pairs(last.a, tokens, words + 4 * tokens);
  put_pairs(last.b, tokens, words + 6 * tokens);
  words[10 * tokens] = whole(reduce_add(first));
  words[11 * tokens] = whole(reduce_add(last));
}

// Calls use(0) .. use(n - 1), the numbers being constants, so that arrays indexed by them stay in
// registers.
template <int n, class Use>
[[gnu::always_inline]] inline void unrolled(Use use) {
  [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
    (use(std::integral_constant<int, i>{}), ...);
  }(std::make_integer_sequence<int, n>{});
}

inline I bits_of(I x, __m256i mask) {
  return {_mm256_and_si256(x.a, mask), _mm256_and_si256(x.b, mask)};
}
template <int kBits>
inline I shifted_right(I x) {
  return {_mm256_srli_epi16(x.a, kBits), _mm256_srli_epi16(x.b, kBits)};
}
// The same value, taken here: whole numbers may be added in any order, and GCC likes to form all
// products of a block first, which then do not fit the registers.
[[gnu::always_inline]] inline __m256i here(__m256i x) {
  asm("" : "+x"(x));
  return x;
}
// sum + the products of pairs of 16-bit numbers
[[gnu::always_inline]] inline I add_products(I sum, I codes, __m256i x) {
  return {here(_mm256_add_epi32(sum.a, _mm256_madd_epi16(codes.a, x))),
          here(_mm256_add_epi32(sum.b, _mm256_madd_epi16(codes.b, x)))};
}

// A block's sums of nibble products with 8 bits fit 16 bits: 8 x 2 x 15 x 127 = 30,480.
template <int kTokens>
[[gnu::always_inline]] inline void dot_nibbles(const std::byte* at, const int32_t* x, int64_t ld,
                                               I* out) {
  const __m256i low = _mm256_set1_epi8(15);
  __m256i a[kTokens], b[kTokens];
  unrolled<kTokens>([&](auto t) { a[t] = b[t] = _mm256_setzero_si256(); });
  auto add_line = [&](I codes, const int32_t* four) __attribute__((always_inline)) {
    unrolled<kTokens>([&](auto t) __attribute__((always_inline)) {
      const __m256i v = _mm256_set1_epi32(four[t]);
      a[t] = here(_mm256_add_epi16(a[t], _mm256_maddubs_epi16(codes.a, v)));
      b[t] = here(_mm256_add_epi16(b[t], _mm256_maddubs_epi16(codes.b, v)));
    });
  };
  unrolled<4>([&](auto j) __attribute__((always_inline)) {
    const I both = load_line(at + j * 64);
    add_line(bits_of(both, low), x + j * ld);
    add_line(bits_of(shifted_right<4>(both), low), x + (j + 4) * ld);
  });
  const __m256i ones = _mm256_set1_epi16(1);
  unrolled<kTokens>([&](auto t) __attribute__((always_inline)) {
    out[t] = {_mm256_madd_epi16(a[t], ones), _mm256_madd_epi16(b[t], ones)};
  });
}

// Nibbles with 15 bits: a 16-bit lane holds those of two columns, and of the two 16 further on.
template <int kTokens>
[[gnu::always_inline]] inline void dot_nibbles_wide(const std::byte* at, const int32_t* x,
                                                    int64_t ld, I* out) {
  const __m256i low = _mm256_set1_epi16(15);
  I sum[kTokens];
  unrolled<kTokens>([&](auto t) { sum[t] = {_mm256_setzero_si256(), _mm256_setzero_si256()}; });
  auto add_line = [&](I codes, const int32_t* pair) __attribute__((always_inline)) {
    unrolled<kTokens>([&](auto t) __attribute__((always_inline)) {
      sum[t] = add_products(sum[t], codes, _mm256_set1_epi32(pair[t]));
    });
  };
  unrolled<4>([&](auto j) __attribute__((always_inline)) {
    const I both = load_line(at + j * 64);
    add_line(bits_of(both, low), x + j * ld);
    add_line(bits_of(shifted_right<4>(both), low), x + (j + 4) * ld);
    add_line(bits_of(shifted_right<8>(both), low), x + (12 + j) * ld);
    add_line(shifted_right<12>(both), x + (16 + j) * ld);
  });
  unrolled<kTokens>([&](auto t) { out[t] = sum[t]; });
}

// Bytes are multiplied as they are stored, with 128 added, and begin at what that adds.
template <Activations kKind, int kFirst, int kLast, int kTokens>
[[gnu::always_inline]] inline void dot_bytes(const std::byte* at, const int32_t* x, int64_t ld,
                                             I* out) {
  const __m256i low = _mm256_set1_epi16(255);
  I sum[kTokens];
  unrolled<kTokens>([&](auto t) __attribute__((always_inline)) {
    const int32_t values = (kFirst == 0 ? x[10 * ld + t] : 0) + (kLast == 8 ? x[11 * ld + t] : 0);
    const __m256i start = _mm256_set1_epi32(-128 * values);
    sum[t] = {start, start};
  });
  unrolled<kLast - kFirst>([&](auto i) __attribute__((always_inline)) {
    constexpr int j = kFirst + i;
    const I line = load_line(at + j * 64);
    const I even = bits_of(line, low), odd = shifted_right<8>(line);
    unrolled<kTokens>([&](auto t) __attribute__((always_inline)) {
      const __m256i v = _mm256_set1_epi32(x[j * ld + t]);
      if constexpr (kKind == Activations::eight_bits) {
        sum[t] = add_products(sum[t], even, _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8));
        sum[t] = add_products(sum[t], odd, _mm256_srai_epi16(v, 8));
      } else {
        sum[t] = add_products(sum[t], even, v);
        sum[t] = add_products(sum[t], odd, _mm256_set1_epi32(x[(12 + j) * ld + t]));
      }
    });
  });
  unrolled<kTokens>([&](auto t) { out[t] = sum[t]; });
}

// The sums of kTokens tokens over lines kFirst .. kLast - 1 of a block.
template <bool kNibbles, Activations kKind, int kFirst, int kLast, int kTokens>
inline void dot_tokens(const Codes& c, const int32_t* x, int64_t ld, I* out) {
  if constexpr (!kNibbles) {
    dot_bytes<kKind, kFirst, kLast, kTokens>(c.at, x, ld, out);
  } else if constexpr (kKind == Activations::eight_bits) {
    dot_nibbles<kTokens>(c.at, x, ld, out);
  } else {
    dot_nibbles_wide<kTokens>(c.at, x, ld, out);
  }
}

}  // namespace
}  // namespace tessera
