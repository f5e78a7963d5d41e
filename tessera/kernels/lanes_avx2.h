// 16 lanes as two AVX2 registers. Include inside a level's source only; docs of each function:
// lanes_reference.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include <immintrin.h>

#include "tessera/kernels/packing.h"

namespace tessera {
namespace {

constexpr const char* kLevelName = "avx2";

struct F {
  __m256 a, b;
};
struct I {
  __m256i a, b;
};
// Where a block's codes lie: 16 registers hold no unpacked block, so products unpack as they go.
struct Codes {
  const std::byte* at;
};

inline __m256i lane_numbers(int first) {
  return _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(first));
}
inline __m256i below(int first, int64_t n) {
  int bound = static_cast<int>(n > 16 ? 16 : n < 0 ? 0 : n);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(bound), lane_numbers(first));
}

inline F splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline F load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline __m256 widen_bf16(const __m128i* p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(p)), 16));
}
// What attention works on, whose sums and factors are to fill the registers, no more.
using Register = __m256;
constexpr int kRegisterLanes = 8;
// Sums that stay in registers, beside three factors and one number that is widened.
constexpr int kSumsAtOnce = 12;
inline Register splat_register(float x) { return _mm256_set1_ps(x); }
inline Register load_register(const float* p) { return _mm256_loadu_ps(p); }
inline Register load_register_f16(const void* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
inline Register load_register_bf16(const void* p) {
  return widen_bf16(static_cast<const __m128i*>(p));
}
inline Register load_register_i8(const int8_t* p) {
  const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes));
}
inline void store(float* p, Register x) { _mm256_storeu_ps(p, x); }
inline Register mul(Register x, Register y) { return _mm256_mul_ps(x, y); }
inline Register fma(Register x, Register y, Register z) { return _mm256_fmadd_ps(x, y, z); }

inline F load_n(const float* p, int64_t n) {
  if (n >= 16) return load(p);
  return {_mm256_maskload_ps(p, below(0, n)),
          n > 8 ? _mm256_maskload_ps(p + 8, below(8, n)) : _mm256_setzero_ps()};
}
inline void store(float* p, F x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
inline void store_n(float* p, F x, int64_t n) {
  if (n >= 16) return store(p, x);
  _mm256_maskstore_ps(p, below(0, n), x.a);
  if (n > 8) _mm256_maskstore_ps(p + 8, below(8, n), x.b);
}
inline F load_f16(const void* p) {
  const auto* q = static_cast<const __m128i*>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1))};
}
inline F load_bf16(const void* p) {
  const auto* q = static_cast<const __m128i*>(p);
  return {widen_bf16(q), widen_bf16(q + 1)};
}
inline F load_i8(const int8_t* p) {
  const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(codes, 8)))};
}
inline F add(F x, F y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
inline F sub(F x, F y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
inline F mul(F x, F y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
inline F div(F x, F y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
inline F fma(F x, F y, F z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
inline F max(F x, F y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
inline F min(F x, F y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
inline F abs(F x) {
  const __m256 sign = _mm256_set1_ps(-0.f);
  return {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
inline F round(F x) {
  return {_mm256_round_ps(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
          _mm256_round_ps(x.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline F select_greater(F x, F y, F p, F q) {
  return {_mm256_blendv_ps(q.a, p.a, _mm256_cmp_ps(x.a, y.a, _CMP_GT_OQ)),
          _mm256_blendv_ps(q.b, p.b, _mm256_cmp_ps(x.b, y.b, _CMP_GT_OQ))};
}
inline F select_range(F p, F q, int64_t begin, int64_t end) {
  auto mask = [&](int first) {
    return _mm256_castsi256_ps(_mm256_andnot_si256(below(first, begin), below(first, end)));
  };
  return {_mm256_blendv_ps(q.a, p.a, mask(0)), _mm256_blendv_ps(q.b, p.b, mask(8))};
}
inline __m256 power_of_two(__m256 n) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
inline F power_of_two(F n) { return {power_of_two(n.a), power_of_two(n.b)}; }
inline F from_int(I x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
inline I load_line(const std::byte* p) {
  const auto* q = reinterpret_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
inline void store_int8(int8_t* p, F x) {
  __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b));
  words = _mm256_permute4x64_epi64(words, 0xd8);
  __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}

inline float reduce_add(F x) {
  __m256 b = _mm256_add_ps(x.a, x.b);
  __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  c = _mm_add_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}
inline float reduce_max(F x) {
  __m256 b = _mm256_max_ps(x.a, x.b);
  __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  c = _mm_max_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
}

inline Codes unpack_nibbles(const std::byte* p) { return {p}; }
inline Codes load_bytes(const std::byte* p) { return {p}; }

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
  words[10 * tokens] = static_cast<int32_t>(reduce_add(first));
  words[11 * tokens] = static_cast<int32_t>(reduce_add(last));
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
