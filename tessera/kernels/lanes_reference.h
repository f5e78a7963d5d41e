// 16 lanes of plain C++: what the kernels are written on where no wider level is compiled, and the
// oracle of those that are. Include inside a level's source only.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "tessera/kernels/half.h"

namespace tessera {
namespace {

constexpr const char* kLevelName = "reference";

// Sums of 16 lanes that stay in registers.
constexpr int kSumsAtOnce = 6;

struct F {
  float v[16];
};
struct I {
  int32_t v[16];
};
// 32 columns of 16 rows: line j holds columns 4j .. 4j + 3, 4 bytes a lane.
struct Codes {
  uint8_t line[8][64];
};

template <class Op>
F each(Op op) {
  F out;
  for (int i = 0; i < 16; ++i) out.v[i] = op(i);
  return out;
}

F splat(float x) {
  return each([&](int) { return x; });
}
F load(const float* p) {
  return each([&](int i) { return p[i]; });
}
F load_n(const float* p, int64_t n) {
  return each([&](int i) { return i < n ? p[i] : 0.f; });
}
void store(float* p, F a) { std::memcpy(p, a.v, sizeof a.v); }
void store_n(float* p, F a, int64_t n) {
  std::memcpy(p, a.v, sizeof(float) * static_cast<size_t>(std::min<int64_t>(n, 16)));
}
uint16_t half_at(const void* p, int i) {
  uint16_t h;
  std::memcpy(&h, static_cast<const char*>(p) + 2 * i, 2);
  return h;
}
F load_f16(const void* p) {
  return each([&](int i) { return half_to_float(half_at(p, i)); });
}
F load_bf16(const void* p) {
  return each([&](int i) { return bfloat_to_float(half_at(p, i)); });
}
F load_i8(const int8_t* p) {
  return each([&](int i) { return static_cast<float>(p[i]); });
}
F add(F a, F b) {
  return each([&](int i) { return a.v[i] + b.v[i]; });
}
F sub(F a, F b) {
  return each([&](int i) { return a.v[i] - b.v[i]; });
}
F mul(F a, F b) {
  return each([&](int i) { return a.v[i] * b.v[i]; });
}
F div(F a, F b) {
  return each([&](int i) { return a.v[i] / b.v[i]; });
}
F fma(F a, F b, F c) {
  return each([&](int i) { return a.v[i] * b.v[i] + c.v[i]; });
}
F max(F a, F b) {
  return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
F min(F a, F b) {
  return each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
F abs(F a) {
  return each([&](int i) { return std::fabs(a.v[i]); });
}
F round(F a) {
  return each([&](int i) { return std::nearbyint(a.v[i]); });
}
// a where x > y, else b.
F select_greater(F x, F y, F a, F b) {
  return each([&](int i) { return x.v[i] > y.v[i] ? a.v[i] : b.v[i]; });
}
// a in lanes begin .. end - 1, else b.
F select_range(F a, F b, int64_t begin, int64_t end) {
  return each([&](int i) { return i >= begin && i < end ? a.v[i] : b.v[i]; });
}
// 2^n for whole n in -126 .. 127.
F power_of_two(F n) {
  return each(
      [&](int i) { return std::bit_cast<float>((static_cast<int32_t>(n.v[i]) + 127) << 23); });
}
F from_int(I a) {
  return each([&](int i) { return static_cast<float>(a.v[i]); });
}
// Rounds to whole numbers and stores 16 signed bytes.
void store_int8(int8_t* p, F a) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(std::nearbyint(a.v[i]));
}

float reduce_add(F a) {
  for (int w = 8; w > 0; w /= 2) {
    for (int i = 0; i < w; ++i) a.v[i] += a.v[i + w];
  }
  return a.v[0];
}
float reduce_max(F a) {
  for (int w = 8; w > 0; w /= 2) {
    for (int i = 0; i < w; ++i) a.v[i] = std::max(a.v[i], a.v[i + w]);
  }
  return a.v[0];
}

// a + 128 * b
I add_shifted(I a, I b) {
  for (int i = 0; i < 16; ++i) a.v[i] += 128 * b.v[i];
  return a;
}

Codes unpack_nibbles(const std::byte* p) {
  Codes c;
  for (int j = 0; j < 4; ++j) {
    for (int i = 0; i < 64; ++i) {
      auto b = static_cast<uint8_t>(p[j * 64 + i]);
      c.line[j][i] = b & 15;
      c.line[j + 4][i] = b >> 4;
    }
  }
  return c;
}
Codes load_bytes(const std::byte* p) {
  Codes c;
  std::memcpy(c.line, p, sizeof c.line);
  return c;
}

I dot_lines(const Codes& c, int first, int last, int offset, const int32_t* x, int64_t ld) {
  I out{};
  for (int j = first; j < last; ++j) {
    int8_t a[4];
    std::memcpy(a, &x[j * ld], 4);
    for (int r = 0; r < 16; ++r) {
      for (int i = 0; i < 4; ++i) out.v[r] += (c.line[j][4 * r + i] - offset) * a[i];
    }
  }
  return out;
}
// Sum over lines first .. last - 1 of code * activation; x[j * ld] holds four of them.
template <int kFirst, int kLast>
I dot_nibbles(const Codes& c, const int32_t* x, int64_t ld) {
  return dot_lines(c, kFirst, kLast, 0, x, ld);
}
// The same for codes stored with 128 added; `sum` is the sum of those activations.
template <int kFirst, int kLast>
I dot_bytes(const Codes& c, const int32_t* x, int64_t ld, int32_t /*sum*/) {
  return dot_lines(c, kFirst, kLast, 128, x, ld);
}

// Sums of products of codes with 16-bit numbers, in whatever lanes: they are whole numbers.
struct Sums {
  int32_t v;
};
// 32 codes.
struct Wide {
  const int8_t* at;
};
Sums no_sums() { return {0}; }
Wide widen_bytes(const int8_t* p) { return {p}; }
// sum + the products of 32 codes with x [32]
Sums add_products(Sums sum, Wide codes, const int16_t* x) {
  for (int i = 0; i < 32; ++i) sum.v += codes.at[i] * x[i];
  return sum;
}
// The totals of four.   out [4]
void store_sums(int32_t* out, const Sums* sums) {
  for (int j = 0; j < 4; ++j) out[j] = sums[j].v;
}

// a[0], b[0], a[1], b[1] ..: the first half of that, and the second.
void interleave(F a, F b, F& low, F& high) {
  for (int i = 0; i < 8; ++i) {
    low.v[2 * i] = a.v[i];
    low.v[2 * i + 1] = b.v[i];
    high.v[2 * i] = a.v[8 + i];
    high.v[2 * i + 1] = b.v[8 + i];
  }
}
// Rounded to nearest, ties to even; beyond the range of binary16 the largest number. NaNs stay.
void store_f16(uint16_t* p, F x) {
  for (int i = 0; i < 16; ++i) p[i] = float_to_half(std::clamp(x.v[i], -65504.f, 65504.f));
}
void store_bf16(uint16_t* p, F x) {
  for (int i = 0; i < 16; ++i) p[i] = float_to_bfloat(x.v[i]);
}

}  // namespace
}  // namespace tessera
