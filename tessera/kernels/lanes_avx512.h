// 16 lanes as one AVX-512 register. Include inside a level's source only; docs of each function:
// lanes_reference.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include <immintrin.h>

namespace tessera {
namespace {

constexpr const char* kLevelName = "avx512";

// Sums of 16 lanes that stay in registers.
constexpr int kSumsAtOnce = 24;

using F = __m512;
using I = __m512i;
struct Codes {
  __m512i line[8];
};

inline __mmask16 first_lanes(int64_t n) {
  return n >= 16 ? 0xffff : n <= 0 ? 0 : static_cast<__mmask16>((1u << n) - 1);
}

inline F splat(float x) { return _mm512_set1_ps(x); }
inline F load(const float* p) { return _mm512_loadu_ps(p); }
inline F load_n(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
inline void store(float* p, F a) { _mm512_storeu_ps(p, a); }
inline void store_n(float* p, F a, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), a); }
inline F load_f16(const void* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
}
inline F load_bf16(const void* p) {
  __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
inline F load_i8(const int8_t* p) {
  return _mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline F add(F a, F b) { return _mm512_add_ps(a, b); }
inline F sub(F a, F b) { return _mm512_sub_ps(a, b); }
inline F mul(F a, F b) { return _mm512_mul_ps(a, b); }
inline F div(F a, F b) { return _mm512_div_ps(a, b); }
inline F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
inline F max(F a, F b) { return _mm512_max_ps(a, b); }
inline F min(F a, F b) { return _mm512_min_ps(a, b); }
inline F abs(F a) { return _mm512_abs_ps(a); }
inline F round(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT); }
inline F select_greater(F x, F y, F a, F b) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_GT_OQ), b, a);
}
inline F select_range(F a, F b, int64_t begin, int64_t end) {
  auto mask = static_cast<__mmask16>(first_lanes(end) & ~first_lanes(begin));
  return _mm512_mask_blend_ps(mask, b, a);
}
inline F power_of_two(F n) {
  __m512i e = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
  return _mm512_castsi512_ps(_mm512_slli_epi32(e, 23));
}
inline F from_int(I a) { return _mm512_cvtepi32_ps(a); }
inline void store_int8(int8_t* p, F a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(a)));
}

// Halves are added, then their halves: the order of lanes_reference.h.
inline float reduce_add(F a) {
  __m256 b = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
  __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  c = _mm_add_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}
inline float reduce_max(F a) { return _mm512_reduce_max_ps(a); }

inline I add_shifted(I a, I b) { return _mm512_add_epi32(a, _mm512_slli_epi32(b, 7)); }

using Sums = __m512i;
using Wide = __m512i;
inline Sums no_sums() { return _mm512_setzero_si512(); }
inline Wide widen_bytes(const int8_t* p) {
  return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Sums add_products(Sums sum, Wide codes, const int16_t* x) {
  return _mm512_dpwssd_epi32(sum, codes, _mm512_loadu_si512(x));
}
inline void store_sums(int32_t* out, const Sums* sums) {
  const __m512i a = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[0], sums[1]),
                                     _mm512_unpackhi_epi32(sums[0], sums[1]));
  const __m512i b = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[2], sums[3]),
                                     _mm512_unpackhi_epi32(sums[2], sums[3]));
  const __m512i c = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
  const __m256i d = _mm256_add_epi32(_mm512_castsi512_si256(c), _mm512_extracti64x4_epi64(c, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                   _mm_add_epi32(_mm256_castsi256_si128(d), _mm256_extracti128_si256(d, 1)));
}

inline void interleave(F a, F b, F& low, F& high) {
  const __m512i first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  low = _mm512_permutex2var_ps(a, first, b);
  high = _mm512_permutex2var_ps(a, _mm512_add_epi32(first, _mm512_set1_epi32(8)), b);
}
inline void store_f16(uint16_t* p, F x) {
  // NaNs come second, and stay.
  x = _mm512_max_ps(_mm512_set1_ps(-65504.f), _mm512_min_ps(_mm512_set1_ps(65504.f), x));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline void store_bf16(uint16_t* p, F x) {
  const __m512i bits = _mm512_castps_si512(x), upper = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_srli_epi32(
      _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  const __m512i all = _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), upper,
                                           _mm512_set1_epi32(64));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(all));
}

inline Codes unpack_nibbles(const std::byte* p) {
  const __m512i low = _mm512_set1_epi8(15);
  Codes c;
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    __m512i both = _mm512_loadu_si512(p + j * 64);
    c.line[j] = _mm512_and_si512(both, low);
    c.line[j + 4] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
  }
  return c;
}
inline Codes load_bytes(const std::byte* p) {
  Codes c;
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) c.line[j] = _mm512_loadu_si512(p + j * 64);
  return c;
}

template <int kFirst, int kLast>
inline I dot_from(I start, const Codes& c, const int32_t* x, int64_t ld) {
#pragma GCC unroll 8
  for (int j = kFirst; j < kLast; ++j) {
    start = _mm512_dpbusd_epi32(start, c.line[j], _mm512_set1_epi32(x[j * ld]));
  }
  return start;
}
template <int kFirst, int kLast>
inline I dot_nibbles(const Codes& c, const int32_t* x, int64_t ld) {
  return dot_from<kFirst, kLast>(_mm512_setzero_si512(), c, x, ld);
}
template <int kFirst, int kLast>
inline I dot_bytes(const Codes& c, const int32_t* x, int64_t ld, int32_t sum) {
  return dot_from<kFirst, kLast>(_mm512_set1_epi32(-128 * sum), c, x, ld);
}

}  // namespace
}  // namespace tessera
