// What the ways of attending share: lines that queries gather into, and counting what they read.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

#include "tessera/network/attend_stage.h"

namespace tessera {

inline constexpr float kNothingGathered = -std::numeric_limits<float>::infinity();

// Lines that have gathered nothing yet.
inline void clear_lines(AttendScratch::PerThread& mine, int64_t lines, int64_t width) {
  std::fill_n(mine.maximum.begin(), lines, kNothingGathered);
  std::fill_n(mine.total.begin(), lines, 0.f);
  std::fill_n(mine.weighted.begin(), lines * width, 0.f);
}

// What a query has gathered, divided by the sum of its weights.   out [n]
inline void finish_line(const float* weighted, float total, int64_t n, float* out) {
  const float inverse = 1 / total;
  for (int64_t d = 0; d < n; ++d) out[d] = weighted[d] * inverse;
}

// Adds what the queries of one KV head read to a segment's counters.
inline void count_reads(const ChunkSegment& s, int64_t read, int64_t possible, int64_t queries,
                        int64_t full) {
  if (!s.counters) return;
  const auto add = [](int64_t& counter, int64_t n) {
    std::atomic_ref<int64_t>(counter).fetch_add(n, std::memory_order_relaxed);
  };
  add(s.counters->keys_read, read);
  add(s.counters->keys_possible, possible);
  add(s.counters->steps, queries);
  add(s.counters->full_steps, full);
}

}  // namespace tessera
