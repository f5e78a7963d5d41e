// Attention over ranges and choices of cached keys, one chunk after another, into lines of a few
// query rows.
#pragma once

#include <cstdint>
#include <span>

#include "tessera/network/attend_stage.h"

namespace tessera {

constexpr int64_t chunks_of(int64_t entries) { return (entries + kChunkKeys - 1) / kChunkKeys; }

// Query rows with a range of entries each, and what they have gathered so far.
struct Gather {
  const float* query;  // [padded]
  int64_t begin, end;  // entries
  int64_t seen_from;   // ALiBi
  float slope;
  float* maximum;
  float* total;
  float* weighted;  // [padded]
};

// Runs the kernel over one chunk for rows whose results go to chunk_*.
void attend_chunk(const AttendShape& shape, const KvStore& store, int64_t kv_head, int64_t chunk,
                  std::span<const Gather> rows, AttendScratch::PerThread& mine,
                  float* chunk_maximum, float* chunk_total, float* chunk_weighted, int64_t width);

// All chunks that any of the rows looks at, in ascending order.
void gather(const AttendShape& shape, const KvStore& store, int64_t kv_head,
            std::span<const Gather> rows, AttendScratch::PerThread& mine);

// Adds what the rows' queries gather from runs that they see from the same position.
void gather_chosen(const AttendShape& shape, const KvStore& store, int64_t kv_head,
                   std::span<const Run> runs, std::span<const Gather> rows,
                   AttendScratch::PerThread& mine);

// Runs of fewer keys than this that are seen from a place of their own are better turned.
inline constexpr int64_t kFewKeys = 8;

// The same for short runs that are each seen from another place; the rows' queries stand at
// `position`.
void gather_turned(const LayerView& view, const AttendShape& shape, int64_t kv_head,
                   int64_t position, std::span<const Run> runs, std::span<const Gather> rows,
                   AttendScratch::PerThread& mine);

}  // namespace tessera
