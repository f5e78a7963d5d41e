// The bodies of the look-up kernels; included once a level.
#pragma once

#include <cstring>

#include "tessera/kernels/unit_table.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace tessera {
namespace {

uint64_t load_word(const char* p) {
  uint64_t out = 0;
  std::memcpy(&out, p, sizeof out);
  return out;
}

// Without branches on which way it is: nobody could foresee them.
uint64_t probe(const ShortSet& set, uint64_t key) {
#if defined(__AVX2__)
  const __m256i same =
      _mm256_cmpeq_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(set.keys.data())),
                         _mm256_set1_epi64x(static_cast<int64_t>(key)));
  const auto ways = static_cast<uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(same)));
  return set.values[_tzcnt_u32(ways) & 3] | -static_cast<uint64_t>(ways == 0);
#else
  const size_t way = static_cast<size_t>(set.keys[1] == key) +
                     static_cast<size_t>(set.keys[2] == key) * 2 +
                     static_cast<size_t>(set.keys[3] == key) * 3;
  return set.values[way] | -static_cast<uint64_t>(set.keys[way] != key);
#endif
}

uint64_t probe(const MediumSet& set, const MediumKey& key) {
#if defined(__AVX2__)
  const __m256i wanted =
      _mm256_setr_epi64x(static_cast<int64_t>(key.low), static_cast<int64_t>(key.high),
                         static_cast<int64_t>(key.low), static_cast<int64_t>(key.high));
  const auto halves = [&](size_t first) {
    const auto* at = reinterpret_cast<const __m256i*>(set.keys.data() + first);
    const __m256i same = _mm256_cmpeq_epi64(_mm256_loadu_si256(at), wanted);
    return static_cast<uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(same)));
  };
  const uint32_t both = halves(0) | halves(2) << 4;
  const uint32_t ways = both & both >> 1 & 0x55;
  return set.values[_tzcnt_u32(ways) / 2 & 3] | -static_cast<uint64_t>(ways == 0);
#else
  const auto same = [&](size_t w) {
    return static_cast<size_t>(((set.keys[w].low ^ key.low) | (set.keys[w].high ^ key.high)) == 0);
  };
  const size_t way = same(1) + same(2) * 2 + same(3) * 3;
  return set.values[way] | -static_cast<uint64_t>(same(way) == 0);
#endif
}

void sort_units(UnitBatch& batch, size_t n) {
  size_t shorts = 0, mediums = 0, longs = 0, i = 0;
#if defined(__AVX512F__)
  const __m512i iota = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (; i + 16 <= n; i += 16) {
    const __m512i length = _mm512_sub_epi32(_mm512_loadu_si512(batch.starts + i + 1),
                                            _mm512_loadu_si512(batch.starts + i));
    const __m512i numbers = _mm512_add_epi32(iota, _mm512_set1_epi32(static_cast<int>(i)));
    const __mmask16 is_short = _mm512_cmple_epu32_mask(length, _mm512_set1_epi32(kShortUnit));
    const __mmask16 is_long = _mm512_cmpgt_epu32_mask(length, _mm512_set1_epi32(kMediumUnit));
    const auto is_medium = static_cast<__mmask16>(~(is_short | is_long));
    const auto put = [&](__mmask16 mask, uint32_t* list, size_t& count) {
      _mm512_storeu_si512(list + count, _mm512_maskz_compress_epi32(mask, numbers));
      count += static_cast<size_t>(__builtin_popcount(mask));
    };
    put(is_short, batch.shorts.data(), shorts);
    put(is_medium, batch.mediums.data(), mediums);
    put(is_long, batch.longs.data(), longs);
  }
#endif
  for (; i < n; ++i) {
    const uint32_t length = batch.starts[i + 1] - batch.starts[i];
    batch.shorts[shorts] = batch.mediums[mediums] = batch.longs[longs] = static_cast<uint32_t>(i);
    const auto is_short = static_cast<size_t>(length <= kShortUnit);
    const auto is_long = static_cast<size_t>(length > kMediumUnit);
    shorts += is_short;
    longs += is_long;
    mediums += 1 - is_short - is_long;
  }
  batch.short_count = shorts;
  batch.medium_count = mediums;
  batch.long_count = longs;
}

// Keys first, so that the sets are on their way when they are compared.
void find_units(const UnitBatch& batch, const ShortSet* shorts, int short_bits,
                const MediumSet* mediums, int medium_bits, uint64_t* values) {
  std::array<MediumKey, UnitBatch::kMost> keys;
  std::array<uint32_t, UnitBatch::kMost> places;
  for (size_t k = 0; k < batch.short_count; ++k) {
    const uint32_t i = batch.shorts[k], at = batch.starts[i];
    keys[k].low = short_key(load_word(batch.text + at), batch.starts[i + 1] - at, 0);
    places[k] = static_cast<uint32_t>(short_place(keys[k].low, short_bits));
    __builtin_prefetch(shorts + places[k]);
  }
  for (size_t k = 0; k < batch.short_count; ++k) {
    values[batch.shorts[k]] = probe(shorts[places[k]], keys[k].low);
  }
  for (size_t k = 0; k < batch.medium_count; ++k) {
    const uint32_t i = batch.mediums[k], at = batch.starts[i];
    keys[k] = medium_key(load_word(batch.text + at), load_word(batch.text + at + 8),
                         batch.starts[i + 1] - at, 0);
    places[k] = static_cast<uint32_t>(medium_place(keys[k], medium_bits));
    __builtin_prefetch(mediums + places[k]);
    __builtin_prefetch(reinterpret_cast<const char*>(mediums + places[k]) + 64);
  }
  for (size_t k = 0; k < batch.medium_count; ++k) {
    values[batch.mediums[k]] = probe(mediums[places[k]], keys[k]);
  }
}

size_t positions(const uint64_t* bits, size_t blocks, uint32_t base, uint32_t* out) {
  uint32_t* to = out;
  for (size_t b = 0; b < blocks; ++b, base += 64) {
    uint64_t rest = bits[b];
#if defined(__AVX512F__)
    const __m512i iota = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (int quarter = 0; quarter < 4; ++quarter, rest >>= 16) {
      const auto mask = static_cast<__mmask16>(rest);
      const __m512i all =
          _mm512_add_epi32(iota, _mm512_set1_epi32(static_cast<int>(base) + 16 * quarter));
      _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(mask, all));
      to += __builtin_popcount(mask);
    }
#else
    for (; rest != 0; rest &= rest - 1) {
      *to++ = base + static_cast<uint32_t>(__builtin_ctzll(rest));
    }
#endif
  }
  return static_cast<size_t>(to - out);
}

}  // namespace
}  // namespace tessera
