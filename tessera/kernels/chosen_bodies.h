// The bodies of attention over chosen keys; included once a level, after kernel_bodies.h.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "tessera/kernels/kernel_bodies.h"

namespace tessera {
namespace {

// Adds the chosen values of a chunk, weighted, to kCount registers of dimensions of kRows results.
template <CacheType kType, int kRows, int kCount>
inline void weigh_chosen(const ChosenChunk& c, const AttendRow* rows, const float* weights,
                         int64_t dimension) {
  Register sum[kRows][kCount];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int j = 0; j < kCount; ++j) sum[r][j] = splat_register(0.f);
  }
  for (int64_t b = 0; b < kChunkBlocks; ++b) {
    for (uint64_t left = c.chosen[b]; left != 0; left &= left - 1) {
      const int64_t key = std::countr_zero(left);
      add_outer_product(
          sum,
          [&](int r) { return splat_register(weights[r * kChunkKeys + b * kBlockKeys + key]); },
          [&](int j) {
            return load_some<kType>(c.values[b], key * c.width + dimension + kRegisterLanes * j);
          });
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int j = 0; j < kCount; ++j) {
      store(rows[r].weighted + dimension + kRegisterLanes * j, sum[r][j]);
    }
  }
}

// Calls use(key) with the first key of every group of 16 that holds a chosen one, and its bits.
template <class Use>
inline void for_groups(const ChosenChunk& c, Use use) {
  for (int64_t b = 0; b < kChunkBlocks; ++b) {
    for (int64_t g = 0; g < kBlockKeys / 16; ++g) {
      const auto bits = static_cast<uint32_t>(c.chosen[b] >> (16 * g) & 0xffff);
      if (bits != 0) use(b, g, bits);
    }
  }
}

// Scores to probabilities (not yet divided by their sum), one row.   seen [kChunkBlocks]
inline void weigh_chosen_scores(const ChosenChunk& c, const AttendRow& row, const uint64_t* seen,
                                float* scores) {
  const F hidden = splat(-kInfinity);
  F top = hidden;
  for_groups(c, [&](int64_t b, int64_t g, uint32_t) {
    float* at = scores + b * kBlockKeys + 16 * g;
    F s = load(at);
    if (c.softcap != 0) s = mul(splat(c.softcap), tanh(mul(s, splat(1 / c.softcap))));
    store(at, s);
    const auto bits = static_cast<uint32_t>(seen[b] >> (16 * g) & 0xffff);
    if (bits != 0xffff) {
      for (int i = 0; i < 16; ++i) {
        if ((bits >> i & 1) == 0) at[i] = -kInfinity;
      }
      s = load(at);
    }
    top = max(top, s);
  });
  const float maximum = reduce_max(top);
  *row.maximum = maximum;
  // A row that sees nothing here gets weights of 0.
  const F base = splat(maximum == -kInfinity ? 0 : maximum);
  F sum = splat(0.f);
  for_groups(c, [&](int64_t b, int64_t g, uint32_t) {
    float* at = scores + b * kBlockKeys + 16 * g;
    const F p = exp(sub(load(at), base));
    sum = add(sum, p);
    store(at, p);
  });
  *row.total = reduce_add(sum);
}

template <CacheType kType>
void attend_chosen_as(const ChosenChunk& c) {
  const auto rows = static_cast<int64_t>(c.rows.size());
  cut_rows(rows, [&]<int kRows>(std::integral_constant<int, kRows>, int64_t r) {
    for_groups(c, [&](int64_t b, int64_t g, uint32_t) {
      score_some<kType, kRows, 16 / kRegisterLanes>(&c.rows[static_cast<size_t>(r)], c.keys[b],
                                                    c.width, 16 * g,
                                                    c.scores + r * kChunkKeys + b * kBlockKeys);
    });
  });
  for (int64_t r = 0; r < rows; ++r) {
    weigh_chosen_scores(c, c.rows[static_cast<size_t>(r)],
                        c.seen ? c.seen + r * kChunkBlocks : c.chosen, c.scores + r * kChunkKeys);
  }
  cut_rows(rows, [&]<int kRows>(std::integral_constant<int, kRows>, int64_t r) {
    const AttendRow* some = &c.rows[static_cast<size_t>(r)];
    const float* weights = c.scores + r * kChunkKeys;
    cut_width<kRows>(c.width, [&]<int kCount>(std::integral_constant<int, kCount>, int64_t d) {
      weigh_chosen<kType, kRows, kCount>(c, some, weights, d);
    });
  });
}

void attend_chosen(const ChosenChunk& c) {
  if (c.type == CacheType::f32) return attend_chosen_as<CacheType::f32>(c);
  if (c.type == CacheType::f16) return attend_chosen_as<CacheType::f16>(c);
  attend_chosen_as<CacheType::bf16>(c);
}

template <CacheType kType>
void score_as(const AttendRow* rows, int64_t n, const void* keys, int64_t width, float* out) {
  cut_rows(n, [&]<int kRows>(std::integral_constant<int, kRows>, int64_t r) {
    score_block<kType, kRows>(rows + r, keys, width, out + r * kChunkKeys);
  });
}

void score(const AttendRow* rows, int64_t n, const void* keys, CacheType type, int64_t width,
           float* out) {
  if (type == CacheType::f32) return score_as<CacheType::f32>(rows, n, keys, width, out);
  if (type == CacheType::f16) return score_as<CacheType::f16>(rows, n, keys, width, out);
  score_as<CacheType::bf16>(rows, n, keys, width, out);
}

// Exact sums of products of kRows queries with the codes of a block's keys.   sums [kRows,
// kBlockKeys]
template <int kRows>
inline void sum_codes(const int16_t* queries, const int8_t* codes, int64_t width,
                      const int8_t* then, int32_t* sums) {
  for (int64_t key = 0; key < kBlockKeys; key += 4) {
    Sums sum[kRows][4];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
      for (int j = 0; j < 4; ++j) sum[r][j] = no_sums();
    }
    for (int64_t d = 0; d < width; d += 32) {
#pragma GCC unroll 8
      for (int j = 0; j < 4; ++j) {
        const Wide c = widen_bytes(codes + (key + j) * width + d);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          sum[r][j] = add_products(sum[r][j], c, queries + r * width + d);
        }
      }
    }
    if (then) {
      for (int64_t d = 0; d < 4 * width; d += 64) __builtin_prefetch(then + key * width + d);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) store_sums(sums + r * kBlockKeys + key, sum[r]);
  }
}

template <int kRows>
inline void score_codes_of(const CodeScores& c, int64_t first) {
  const int16_t* queries = c.queries + first * c.width;
  int32_t high[kRows * kBlockKeys], low[kRows * kBlockKeys] = {};
  sum_codes<kRows>(queries, c.high, c.width, first == 0 ? c.then : nullptr, high);
  if (c.low) sum_codes<kRows>(queries, c.low, c.width, nullptr, low);
  for (int r = 0; r < kRows; ++r) {
    const float unit = c.units[first + r];
    float* out = c.out + (first + r) * kBlockKeys;
    for (int64_t k = 0; k < kBlockKeys; ++k) {
      const int64_t i = r * kBlockKeys + k;
      const float sum = 256 * static_cast<float>(high[i]) + static_cast<float>(low[i]);
      out[k] = sum * c.scales[k] * unit;
    }
  }
}

void score_codes(const CodeScores& call) {
  int64_t r = 0;
  for (; call.n - r >= 3; r += 3) score_codes_of<3>(call, r);
  for (; r < call.n; ++r) score_codes_of<1>(call, r);
}

template <CacheType kType>
inline void store_as(void* keys, int64_t at, Register x) {
  if constexpr (kType == CacheType::f32) {
    store(static_cast<float*>(keys) + at, x);
  } else if constexpr (kType == CacheType::f16) {
    store_f16(static_cast<uint16_t*>(keys) + at, x);
  } else {
    store_bf16(static_cast<uint16_t*>(keys) + at, x);
  }
}

template <CacheType kType>
void place_as(const float* rows, int64_t stride, int64_t width, void* keys, int64_t first) {
  constexpr int kN = kRegisterLanes;
  for (int64_t row = 0; row < 16; row += kN) {
    for (int64_t d = 0; d < width; d += kN) {
      // Each round deals the rows like a deck of cards; after log2(kN) rounds rows are columns.
      Register square[kN];
#pragma GCC unroll 16
      for (int i = 0; i < kN; ++i) square[i] = load_register(rows + (row + i) * stride + d);
#pragma GCC unroll 4
      for (int round = 1; round < kN; round *= 2) {
        Register dealt[kN];
#pragma GCC unroll 8
        for (int i = 0; i < kN / 2; ++i) {
          interleave(square[i], square[i + kN / 2], dealt[2 * i], dealt[2 * i + 1]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < kN; ++i) square[i] = dealt[i];
      }
#pragma GCC unroll 16
      for (int i = 0; i < kN; ++i) {
        store_as<kType>(keys, (d + i) * kBlockKeys + first + row, square[i]);
      }
    }
  }
}

void place_keys(CacheType type, const float* rows, int64_t stride, int64_t width, void* keys,
                int64_t first) {
  if (type == CacheType::f32) return place_as<CacheType::f32>(rows, stride, width, keys, first);
  if (type == CacheType::f16) return place_as<CacheType::f16>(rows, stride, width, keys, first);
  place_as<CacheType::bf16>(rows, stride, width, keys, first);
}

void widen_codes(const int8_t* high, const int8_t* low, float scale, int64_t n, float* out) {
  const Register by = splat_register(scale), most = splat_register(256);
  for (int64_t i = 0; i < n; i += kRegisterLanes) {
    const Register whole = fma(load_register_i8(high + i), most, load_register_i8(low + i));
    store(out + i, mul(whole, by));
  }
}

constexpr Kernels table() {
  return {kLevelName,    kWideTiles, linear,      quantise,   rms_norm,    layer_norm,
          activate,      gate,       add_scaled,  softcap,    softmax,     attend,
          attend_chosen, score,      score_codes, place_keys, widen_codes, merge,
          ascii_masks,   wide_masks, pair_masks,  positions,  sort_units,  find_units};
}

}  // namespace
}  // namespace tessera
