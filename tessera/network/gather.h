// Attention over ranges and choices of cached keys, one chunk after another, into lines of a few
// query rows.
#pragma once

#include <cstdint>
#include <span>

#include "tessera/network/attend_stage.h"
#include "tessera/network/copied_keys.h"

namespace tessera {

constexpr int64_t chunks_of(int64_t entries) { return (entries + kChunkKeys - 1) / kChunkKeys; }

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

// The same for single keys of a list that are turned so that all are seen from the place where the
// rows' queries stand. Any number of rows.   plain: as CopiedKeys::assign()
void gather_turned(const LayerView& view, const AttendShape& shape, int64_t kv_head,
                   const PlainKeys* plain, std::span<const TurnedKey> list,
                   std::span<const Gather> rows, AttendScratch::PerThread& mine);

// The same for rows that each have runs of their own, all seen from where the queries stand: what
// any of them sees is read once. To the bit what gather_chosen() gives each.   runs [rows]
void gather_seen(const AttendShape& shape, const KvStore& store, int64_t kv_head,
                 std::span<const std::vector<Run>> runs, std::span<const Gather> rows,
                 AttendScratch::PerThread& mine);

// The same for all of the copies. At most kAttendRows rows.
void gather_copied(const AttendShape& shape, const CopiedKeys& copies, int64_t width,
                   std::span<const Gather> rows, AttendScratch::PerThread& mine);

}  // namespace tessera
