// 16 lanes as two AVX2 registers. Include inside a level's source only; docs of each function:
// lanes_reference.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include <immintrin.h>

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

using Sums = __m256i;
struct Wide {
  __m256i a, b;
};
inline Sums no_sums() { return _mm256_setzero_si256(); }
inline Wide widen_bytes(const int8_t* p) {
  const auto* q = reinterpret_cast<const __m128i*>(p);
  return {_mm256_cvtepi8_epi16(_mm_loadu_si128(q)), _mm256_cvtepi8_epi16(_mm_loadu_si128(q + 1))};
}
inline Sums add_products(Sums sum, Wide codes, const int16_t* x) {
  const auto* q = reinterpret_cast<const __m256i*>(x);
  sum = _mm256_add_epi32(sum, _mm256_madd_epi16(codes.a, _mm256_loadu_si256(q)));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(codes.b, _mm256_loadu_si256(q + 1)));
}
inline void store_sums(int32_t* out, const Sums* sums) {
  const __m256i all =
      _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                   _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1)));
}

inline void interleave(Register a, Register b, Register& low, Register& high) {
  const __m256 even = _mm256_unpacklo_ps(a, b), odd = _mm256_unpackhi_ps(a, b);
  low = _mm256_permute2f128_ps(even, odd, 0x20);
  high = _mm256_permute2f128_ps(even, odd, 0x31);
}
inline void store_f16(uint16_t* p, Register x) {
  // NaNs come second, and stay.
  x = _mm256_max_ps(_mm256_set1_ps(-65504.f), _mm256_min_ps(_mm256_set1_ps(65504.f), x));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline void store_bf16(uint16_t* p, Register x) {
  const __m256i bits = _mm256_castps_si256(x), upper = _mm256_srli_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_srli_epi32(
      _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(64));
  const __m256i all =
      _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_packus_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1)));
}

inline Codes unpack_nibbles(const std::byte* p) { return {p}; }
inline Codes load_bytes(const std::byte* p) { return {p}; }

}  // namespace
}  // namespace tessera
