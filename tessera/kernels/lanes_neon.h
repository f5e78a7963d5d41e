// 16 lanes as four NEON registers of an AArch64 processor. Include inside a level's source only;
// docs of each function: lanes_reference.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <arm_neon.h>

namespace tessera {
namespace {

#if defined(__ARM_FEATURE_DOTPROD)
constexpr const char* kLevelName = "neon-dotprod";
#else
constexpr const char* kLevelName = "neon";
#endif

// Sums of 16 lanes that stay in registers.
constexpr int kSumsAtOnce = 6;

struct F {
  float32x4_t q[4];
};
struct I {
  int32x4_t q[4];
};
// Codes as signed bytes: those with 128 added have it taken off when they are loaded.
struct Codes {
  int8x16_t line[8][4];
};

template <class Op>
inline F each(const Op& op) {
  return {{op(0), op(1), op(2), op(3)}};
}
// Numbers of the lanes of register j.
inline int32x4_t lane_numbers(int j) {
  static constexpr int32_t kFirst[4] = {0, 1, 2, 3};
  return vaddq_s32(vld1q_s32(kFirst), vdupq_n_s32(4 * j));
}
inline uint32x4_t below(int j, int64_t n) {
  const auto bound = static_cast<int32_t>(n > 16 ? 16 : n < 0 ? 0 : n);
  return vcltq_s32(lane_numbers(j), vdupq_n_s32(bound));
}

inline F splat(float x) {
  return each([&](int) { return vdupq_n_f32(x); });
}
inline F load(const float* p) {
  return each([&](int j) { return vld1q_f32(p + 4 * j); });
}
inline void store(float* p, F x) {
  for (int j = 0; j < 4; ++j) vst1q_f32(p + 4 * j, x.q[j]);
}
inline F load_n(const float* p, int64_t n) {
  if (n >= 16) return load(p);
  float lanes[16] = {};
  if (n > 0) std::memcpy(lanes, p, static_cast<size_t>(n) * sizeof(float));
  return load(lanes);
}
inline void store_n(float* p, F x, int64_t n) {
  if (n >= 16) return store(p, x);
  float lanes[16];
  store(lanes, x);
  if (n > 0) std::memcpy(p, lanes, static_cast<size_t>(n) * sizeof(float));
}
inline F load_f16(const void* p) {
  const auto* halves = static_cast<const uint16_t*>(p);
  return each([&](int j) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves + 4 * j))); });
}
inline F load_bf16(const void* p) {
  const auto* halves = static_cast<const uint16_t*>(p);
  return each(
      [&](int j) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(halves + 4 * j), 16)); });
}
inline F load_i8(const int8_t* p) {
  const int8x16_t codes = vld1q_s8(p);
  const int16x8_t low = vmovl_s8(vget_low_s8(codes)), high = vmovl_s8(vget_high_s8(codes));
  return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
           vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
           vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
           vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)))}};
}
inline F add(F x, F y) {
  return each([&](int j) { return vaddq_f32(x.q[j], y.q[j]); });
}
inline F sub(F x, F y) {
  return each([&](int j) { return vsubq_f32(x.q[j], y.q[j]); });
}
inline F mul(F x, F y) {
  return each([&](int j) { return vmulq_f32(x.q[j], y.q[j]); });
}
inline F div(F x, F y) {
  return each([&](int j) { return vdivq_f32(x.q[j], y.q[j]); });
}
inline F fma(F x, F y, F z) {
  return each([&](int j) { return vfmaq_f32(z.q[j], x.q[j], y.q[j]); });
}
inline F select_greater(F x, F y, F p, F q) {
  return each([&](int j) { return vbslq_f32(vcgtq_f32(x.q[j], y.q[j]), p.q[j], q.q[j]); });
}
// The second where either is no number, unlike the processor's own.
inline F max(F x, F y) { return select_greater(x, y, x, y); }
inline F min(F x, F y) { return select_greater(y, x, x, y); }
inline F abs(F x) {
  return each([&](int j) { return vabsq_f32(x.q[j]); });
}
inline F round(F x) {
  return each([&](int j) { return vrndnq_f32(x.q[j]); });
}
inline F select_range(F p, F q, int64_t begin, int64_t end) {
  return each(
      [&](int j) { return vbslq_f32(vbicq_u32(below(j, end), below(j, begin)), p.q[j], q.q[j]); });
}
inline F power_of_two(F n) {
  return each([&](int j) {
    return vreinterpretq_f32_s32(
        vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n.q[j]), vdupq_n_s32(127)), 23));
  });
}
inline F from_int(I x) {
  return each([&](int j) { return vcvtq_f32_s32(x.q[j]); });
}
inline void store_int8(int8_t* p, F x) {
  const auto words = [&](int j) {
    return vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(x.q[j])), vqmovn_s32(vcvtnq_s32_f32(x.q[j + 1])));
  };
  vst1q_s8(p, vcombine_s8(vqmovn_s16(words(0)), vqmovn_s16(words(2))));
}

// Halves are added, then their halves: the order of lanes_reference.h.
inline float reduce_add(F x) {
  const float32x4_t four = vaddq_f32(vaddq_f32(x.q[0], x.q[2]), vaddq_f32(x.q[1], x.q[3]));
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
inline float reduce_max(F x) {
  return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.q[0], x.q[2]), vmaxq_f32(x.q[1], x.q[3])));
}

// x + 128 * y
inline I add_shifted(I x, I y) {
  for (int j = 0; j < 4; ++j) x.q[j] = vaddq_s32(x.q[j], vshlq_n_s32(y.q[j], 7));
  return x;
}

using Sums = int32x4_t;
struct Wide {
  int16x8_t q[4];
};
inline Sums no_sums() { return vdupq_n_s32(0); }
inline Wide widen_bytes(const int8_t* p) {
  const int8x16_t a = vld1q_s8(p), b = vld1q_s8(p + 16);
  return {{vmovl_s8(vget_low_s8(a)), vmovl_high_s8(a), vmovl_s8(vget_low_s8(b)), vmovl_high_s8(b)}};
}
inline Sums add_products(Sums sum, Wide codes, const int16_t* x) {
  for (int j = 0; j < 4; ++j) {
    const int16x8_t y = vld1q_s16(x + 8 * j);
    sum = vmlal_s16(sum, vget_low_s16(codes.q[j]), vget_low_s16(y));
    sum = vmlal_high_s16(sum, codes.q[j], y);
  }
  return sum;
}
inline void store_sums(int32_t* out, const Sums* sums) {
  for (int j = 0; j < 4; ++j) out[j] = vaddvq_s32(sums[j]);
}

inline void interleave(F a, F b, F& low, F& high) {
  for (int j = 0; j < 2; ++j) {
    low.q[2 * j] = vzip1q_f32(a.q[j], b.q[j]);
    low.q[2 * j + 1] = vzip2q_f32(a.q[j], b.q[j]);
    high.q[2 * j] = vzip1q_f32(a.q[2 + j], b.q[2 + j]);
    high.q[2 * j + 1] = vzip2q_f32(a.q[2 + j], b.q[2 + j]);
  }
}
inline void store_f16(uint16_t* p, F x) {
  for (int j = 0; j < 4; ++j) {
    // The least and the largest of a NaN and a number are NaN.
    const float32x4_t finite =
        vmaxq_f32(vdupq_n_f32(-65504.f), vminq_f32(vdupq_n_f32(65504.f), x.q[j]));
    vst1_u16(p + 4 * j, vreinterpret_u16_f16(vcvt_f16_f32(finite)));
  }
}
inline void store_bf16(uint16_t* p, F x) {
  for (int j = 0; j < 4; ++j) {
    const uint32x4_t bits = vreinterpretq_u32_f32(x.q[j]), upper = vshrq_n_u32(bits, 16);
    const uint32x4_t odd = vandq_u32(upper, vdupq_n_u32(1));
    const uint32x4_t rounded =
        vshrq_n_u32(vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff))), 16);
    const uint32x4_t quiet = vorrq_u32(upper, vdupq_n_u32(64));
    vst1_u16(p + 4 * j, vmovn_u32(vbslq_u32(vceqq_f32(x.q[j], x.q[j]), rounded, quiet)));
  }
}

inline uint8x16_t bytes_at(const std::byte* p) {
  return vld1q_u8(reinterpret_cast<const uint8_t*>(p));
}
inline Codes unpack_nibbles(const std::byte* p) {
  Codes c;
  for (int j = 0; j < 4; ++j) {
    for (int k = 0; k < 4; ++k) {
      const uint8x16_t both = bytes_at(p + j * 64 + k * 16);
      c.line[j][k] = vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15)));
      c.line[j + 4][k] = vreinterpretq_s8_u8(vshrq_n_u8(both, 4));
    }
  }
  return c;
}
inline Codes load_bytes(const std::byte* p) {
  Codes c;
  for (int j = 0; j < 8; ++j) {
    for (int k = 0; k < 4; ++k) {
      c.line[j][k] = vreinterpretq_s8_u8(veorq_u8(bytes_at(p + j * 64 + k * 16), vdupq_n_u8(128)));
    }
  }
  return c;
}

// sum + the products of four bytes a lane. Without the instruction: two products of at most
// 128 * 127 fit 16 bits, and neighbours are added on the way to 32.
inline int32x4_t dot_four(int32x4_t sum, int8x16_t codes, int8x16_t x) {
#if defined(__ARM_FEATURE_DOTPROD)
  return vdotq_s32(sum, codes, x);
#else
  const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(codes), vget_low_s8(x)));
  const int32x4_t high = vpaddlq_s16(vmull_high_s8(codes, x));
  return vaddq_s32(sum, vpaddq_s32(low, high));
#endif
}
template <int kFirst, int kLast>
inline I dot_nibbles(const Codes& c, const int32_t* x, int64_t ld) {
  I sum{{vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)}};
  for (int j = kFirst; j < kLast; ++j) {
    const int8x16_t four = vreinterpretq_s8_s32(vdupq_n_s32(x[j * ld]));
    for (int k = 0; k < 4; ++k) sum.q[k] = dot_four(sum.q[k], c.line[j][k], four);
  }
  return sum;
}
template <int kFirst, int kLast>
inline I dot_bytes(const Codes& c, const int32_t* x, int64_t ld, int32_t /*sum*/) {
  return dot_nibbles<kFirst, kLast>(c, x, ld);
}

}  // namespace
}  // namespace tessera
