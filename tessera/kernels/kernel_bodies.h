// The kernels, written once on the 16 lanes of a lanes_*.h. A level's source includes its lanes,
// then this file, and defines its table; everything here is local to that source.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tessera/kernels/half.h"
#include "tessera/kernels/kernels.h"
#include "tessera/kernels/linear_bodies.h"
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

// kRegisterLanes numbers of a cache block.
template <CacheType kType>
inline Register load_some(const void* base, int64_t at) {
  if constexpr (kType == CacheType::f32) return load_register(static_cast<const float*>(base) + at);
  if constexpr (kType == CacheType::f16) {
    return load_register_f16(static_cast<const uint16_t*>(base) + at);
  }
  if constexpr (kType == CacheType::bf16) {
    return load_register_bf16(static_cast<const uint16_t*>(base) + at);
  }
  if constexpr (kType == CacheType::q8) {
    return load_register_i8(static_cast<const int8_t*>(base) + at);
  }
}

// The scales behind the codes of a block.   [kBlockKeys]
inline const float* scales_of(const void* block, int64_t width) {
  return reinterpret_cast<const float*>(static_cast<const char*>(block) + width * kBlockKeys);
}

// Registers of sums that each of kRows rows has at once; all of them together are kSumsAtOnce.
template <int kRows>
constexpr int sums_of_row() {
  int count = kBlockKeys / kRegisterLanes;
  while (count > 1 && kRows * count > kSumsAtOnce) count /= 2;
  return count;
}

// sum[r][j] += row(r) * column(j). Whichever is fewer stays in registers beside the sums.
template <int kRows, int kCount, class Row, class Column>
inline void add_outer_product(Register (&sum)[kRows][kCount], Row row, Column column) {
  if constexpr (kRows <= kCount) {
    Register rows[kRows];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) rows[r] = row(r);
#pragma GCC unroll 8
    for (int j = 0; j < kCount; ++j) {
      const Register c = column(j);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) sum[r][j] = fma(rows[r], c, sum[r][j]);
    }
  } else {
    Register columns[kCount];
#pragma GCC unroll 8
    for (int j = 0; j < kCount; ++j) columns[j] = column(j);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Register v = row(r);
#pragma GCC unroll 8
      for (int j = 0; j < kCount; ++j) sum[r][j] = fma(v, columns[j], sum[r][j]);
    }
  }
}

// With so few rows a block comes from memory and is read once: the half of a block that is read
// next is fetched meanwhile, number by number at the same place.
template <CacheType kType, int kRows, int kCount>
inline void fetch_next(const void* next, int64_t at) {
  if constexpr (kRows <= 3) {
    if (!next) return;
    const auto* from = static_cast<const std::byte*>(next) + at * cache_bytes(kType);
    constexpr int64_t kBytes = kCount * kRegisterLanes * cache_bytes(kType);
#pragma GCC unroll 8
    for (int64_t i = 0; i < kBytes; i += 64) __builtin_prefetch(from + i);
  }
}

// Scores of kRows queries against kCount registers of keys of a block, from its key `first` on.
//   out rows kChunkKeys apart   next   what is read after the block; null: not known
template <CacheType kType, int kRows, int kCount>
inline void score_some(const AttendRow* rows, const void* keys, int64_t width, int64_t first,
                       float* out, const void* next = nullptr) {
  Register sum[kRows][kCount];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int j = 0; j < kCount; ++j) sum[r][j] = splat_register(0.f);
  }
  for (int64_t d = 0; d < width; ++d) {
    fetch_next<kType, kRows, kCount>(next, d * kBlockKeys + first);
    add_outer_product(
        sum, [&](int r) { return splat_register(rows[r].query[d]); },
        [&](int j) { return load_some<kType>(keys, d * kBlockKeys + first + kRegisterLanes * j); });
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int j = 0; j < kCount; ++j) {
      const int64_t at = first + kRegisterLanes * j;
      if constexpr (kType == CacheType::q8) {
        sum[r][j] = mul(sum[r][j], load_register(scales_of(keys, width) + at));
      }
      store(out + r * kChunkKeys + at, sum[r][j]);
    }
  }
}

// Scores of kRows queries against the 64 keys of a block.   out rows kChunkKeys apart; next as
// above
template <CacheType kType, int kRows>
inline void score_block(const AttendRow* rows, const void* keys, int64_t width, float* out,
                        const void* next = nullptr) {
  constexpr int kCount = sums_of_row<kRows>();
  for (int64_t first = 0; first < kBlockKeys; first += kRegisterLanes * kCount) {
    score_some<kType, kRows, kCount>(rows, keys, width, first, out, next);
  }
}

// Adds the 64 values of a block, weighted, to kCount registers of dimensions of kRows results.
template <CacheType kType, int kRows, int kCount>
inline void weigh_some(const AttendRow* rows, const float* weights, const void* values,
                       int64_t width, int64_t dimension, const void* next) {
  Register sum[kRows][kCount];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int j = 0; j < kCount; ++j) {
      sum[r][j] = load_register(rows[r].weighted + dimension + kRegisterLanes * j);
    }
  }
  for (int64_t key = 0; key < kBlockKeys; ++key) {
    float scale = 1;
    if constexpr (kType == CacheType::q8) scale = scales_of(values, width)[key];
    fetch_next<kType, kRows, kCount>(next, key * width + dimension);
    add_outer_product(
        sum,
        [&](int r) {
          float weight = weights[r * kChunkKeys + key];
          if constexpr (kType == CacheType::q8) weight *= scale;
          return splat_register(weight);
        },
        [&](int j) {
          return load_some<kType>(values, key * width + dimension + kRegisterLanes * j);
        });
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int j = 0; j < kCount; ++j) {
      store(rows[r].weighted + dimension + kRegisterLanes * j, sum[r][j]);
    }
  }
}

// Calls use(count, dimension) with compile-time counts of registers that add up to `width`.
template <int kRows, class Use>
inline void cut_width(int64_t width, Use use) {
  constexpr int kCount = sums_of_row<kRows>(), kStep = kRegisterLanes * kCount;
  int64_t d = 0;
  for (; width - d >= kStep; d += kStep) use(std::integral_constant<int, kCount>{}, d);
  for (; d < width; d += kRegisterLanes) use(std::integral_constant<int, 1>{}, d);
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

// Scores first .. last - 1 to probabilities (not yet divided by their sum), one row; the others
// are of blocks that no row sees.
inline void weigh_scores(const AttendRow& row, float cap, int64_t first, int64_t last,
                         float* scores) {
  const F hidden = splat(-kInfinity);
  F top = hidden;
  for (int64_t j = first; j < last; j += 16) {
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
    for (int64_t j = first; j < last; j += 16) store(scores + j, sum);
  } else {
    for (int64_t j = first; j < last; j += 16) {
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
  const auto first_from = [](const void* const* blocks, int64_t b, const void* then) {
    while (b < kChunkBlocks && !blocks[b]) ++b;
    return b < kChunkBlocks ? blocks[b] : then;
  };
  const void* const first_values = first_from(c.values, 0, nullptr);
  int64_t first = kChunkBlocks, last = 0;
  for (int64_t b = 0; b < kChunkBlocks; ++b) {
    if (!c.keys[b]) continue;
    first = std::min(first, b);
    last = b + 1;
    const void* const next = first_from(c.keys, b + 1, first_values);
    cut_rows(rows, [&]<int kRows>(std::integral_constant<int, kRows>, int64_t r) {
      score_block<kType, kRows>(&c.rows[r], c.keys[b], c.width,
                                c.scores + r * kChunkKeys + b * kBlockKeys, next);
    });
  }
  for (int64_t r = 0; r < rows; ++r) {
    weigh_scores(c.rows[r], c.softcap, first * kBlockKeys, last * kBlockKeys,
                 c.scores + r * kChunkKeys);
    std::fill_n(c.rows[r].weighted, c.width, 0.f);
  }
  for (int64_t b = 0; b < kChunkBlocks; ++b) {
    if (!c.keys[b]) continue;
    const void* const next = first_from(c.values, b + 1, c.then);
    cut_rows(rows, [&]<int kRows>(std::integral_constant<int, kRows>, int64_t r) {
      const float* weights = c.scores + r * kChunkKeys + b * kBlockKeys;
      cut_width<kRows>(c.width, [&]<int kCount>(std::integral_constant<int, kCount>, int64_t d) {
        weigh_some<kType, kRows, kCount>(&c.rows[r], weights, c.values[b], c.width, d, next);
      });
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
