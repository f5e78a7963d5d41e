#include "tessera/network/gather.h"

#include <algorithm>
#include <limits>

namespace tessera {
namespace {

// Sets bits begin .. end - 1 of a chunk's 256.
void mark(uint64_t* bits, int64_t begin, int64_t end) {
  for (int64_t b = begin / kBlockKeys; b * kBlockKeys < end; ++b) {
    const int64_t from = std::max<int64_t>(begin - b * kBlockKeys, 0);
    const int64_t to = std::min<int64_t>(end - b * kBlockKeys, kBlockKeys);
    bits[b] |= (~uint64_t{0} >> (kBlockKeys - (to - from))) << from;
  }
}

// Rows whose results go to the thread's chunk.   specs [rows]
void aim(std::span<const Gather> rows, AttendScratch::PerThread& mine, int64_t width,
         AttendRow* specs) {
  for (size_t i = 0; i < rows.size(); ++i) {
    specs[i].query = rows[i].query;
    specs[i].maximum = &mine.chunk_maximum[i];
    specs[i].total = &mine.chunk_total[i];
    specs[i].weighted = mine.chunk.data() + static_cast<int64_t>(i) * width;
  }
}

// Merges the thread's chunk into what the rows have gathered.
void take(std::span<const Gather> rows, const AttendScratch::PerThread& mine, int64_t width) {
  for (size_t i = 0; i < rows.size(); ++i) {
    kernels().merge(rows[i].maximum, rows[i].total, rows[i].weighted, mine.chunk_maximum[i],
                    mine.chunk_total[i], mine.chunk.data() + static_cast<int64_t>(i) * width,
                    width);
  }
}

// A call for rows whose results go to the thread's chunk; nothing is marked yet.   specs [rows]
ChosenChunk aimed(const AttendShape& shape, const KvStore& store, std::span<const Gather> rows,
                  AttendScratch::PerThread& mine, AttendRow* specs) {
  ChosenChunk call;
  call.rows = {specs, rows.size()};
  call.type = store.shape().type;
  call.width = store.shape().padded();
  call.softcap = shape.softcap;
  call.scores = mine.scores.data();
  aim(rows, mine, call.width, specs);
  return call;
}

// Attention over the keys that are marked, merged into what the rows have gathered.
void flush(ChosenChunk& call, const AttendShape& shape, const KvStore& store, int64_t kv_head,
           int64_t chunk, std::span<const Gather> rows, AttendScratch::PerThread& mine) {
  for (int64_t b = 0; b < kChunkBlocks; ++b) {
    call.keys[b] = call.values[b] = nullptr;
    if (call.chosen[b] == 0) continue;
    const KvBlock* block = store.block(shape.store_layer, kv_head, chunk * kChunkBlocks + b);
    call.keys[b] = block->keys;
    call.values[b] = block->values;
  }
  kernels().attend_chosen(call);
  take(rows, mine, call.width);
  std::fill_n(call.chosen, kChunkBlocks, 0);
}

// The keys that come after a chunk: those of the next one, or of the next head.
const void* keys_after(const AttendShape& shape, const KvStore& store, int64_t kv_head,
                       int64_t chunk, std::span<const Gather> rows) {
  int64_t at = (chunk + 1) * kChunkBlocks;
  if (rows.back().end <= at * kBlockKeys) {
    if (++kv_head == shape.kv_heads) return nullptr;
    at = rows.front().begin / kBlockKeys;
  }
  if (at * kBlockKeys >= store.entries()) return nullptr;
  const KvBlock* block = store.block(shape.store_layer, kv_head, at);
  return block ? block->keys : nullptr;
}

}  // namespace

void attend_chunk(const AttendShape& shape, const KvStore& store, int64_t kv_head, int64_t chunk,
                  std::span<const Gather> rows, AttendScratch::PerThread& mine,
                  float* chunk_maximum, float* chunk_total, float* chunk_weighted, int64_t width) {
  AttendRow specs[kAttendRows];
  const int64_t first = chunk * kChunkKeys;
  int64_t low = kChunkKeys, high = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t begin = std::clamp<int64_t>(rows[i].begin - first, 0, kChunkKeys);
    const int64_t end = std::clamp<int64_t>(rows[i].end - first, 0, kChunkKeys);
    specs[i] = {rows[i].query,
                begin,
                end,
                rows[i].slope,
                rows[i].seen_from - first,
                chunk_maximum + i,
                chunk_total + i,
                chunk_weighted + static_cast<int64_t>(i) * width};
    if (begin < end) {
      low = std::min(low, begin);
      high = std::max(high, end);
    }
  }
  AttendChunk call{{specs, rows.size()}, {}, {}, store.shape().type, width, shape.softcap,
                   mine.scores.data()};
  for (int64_t b = 0; b < kChunkBlocks; ++b) {
    if (b * kBlockKeys >= high || (b + 1) * kBlockKeys <= low) continue;
    const KvBlock* block = store.block(shape.store_layer, kv_head, chunk * kChunkBlocks + b);
    if (!block) continue;
    call.keys[b] = block->keys;
    call.values[b] = block->values;
  }
  call.then = keys_after(shape, store, kv_head, chunk, rows);
  kernels().attend(call);
}

void gather(const AttendShape& shape, const KvStore& store, int64_t kv_head,
            std::span<const Gather> rows, AttendScratch::PerThread& mine) {
  const int64_t width = store.shape().padded();
  int64_t begin = std::numeric_limits<int64_t>::max(), end = 0;
  for (const Gather& g : rows) {
    begin = std::min(begin, g.begin);
    end = std::max(end, g.end);
  }
  for (int64_t c = begin / kChunkKeys; c < chunks_of(end); ++c) {
    attend_chunk(shape, store, kv_head, c, rows, mine, mine.chunk_maximum.data(),
                 mine.chunk_total.data(), mine.chunk.data(), width);
    take(rows, mine, width);
  }
}

void gather_chosen(const AttendShape& shape, const KvStore& store, int64_t kv_head,
                   std::span<const Run> runs, std::span<const Gather> rows,
                   AttendScratch::PerThread& mine) {
  AttendRow specs[kAttendRows];
  ChosenChunk call = aimed(shape, store, rows, mine, specs);
  int64_t at = -1;
  for (const Run& run : runs) {
    for (int64_t begin = run.begin; begin < run.end;) {
      const int64_t chunk = begin / kChunkKeys;
      const int64_t end = std::min(run.end, (chunk + 1) * kChunkKeys);
      if (chunk != at && at >= 0) flush(call, shape, store, kv_head, at, rows, mine);
      at = chunk;
      mark(call.chosen, begin - chunk * kChunkKeys, end - chunk * kChunkKeys);
      begin = end;
    }
  }
  if (at >= 0) flush(call, shape, store, kv_head, at, rows, mine);
}

void gather_turned(const LayerView& view, const AttendShape& shape, int64_t kv_head,
                   const PlainKeys* plain, std::span<const TurnedKey> list,
                   std::span<const Gather> rows, AttendScratch::PerThread& mine) {
  while (!list.empty()) {
    const auto piece = list.first(std::min<size_t>(list.size(), kBlockKeys));
    list = list.subspan(piece.size());
    mine.turned.assign(view, kv_head, plain, piece);
    for (size_t first = 0; first < rows.size(); first += kAttendRows) {
      gather_copied(shape, mine.turned, view.width(),
                    rows.subspan(first, std::min<size_t>(kAttendRows, rows.size() - first)), mine);
    }
  }
}

void gather_seen(const AttendShape& shape, const KvStore& store, int64_t kv_head,
                 std::span<const std::vector<Run>> runs, std::span<const Gather> rows,
                 AttendScratch::PerThread& mine) {
  AttendRow specs[kAttendRows];
  ChosenChunk call = aimed(shape, store, rows, mine, specs);
  uint64_t seen[kAttendRows * kChunkBlocks];
  call.seen = seen;
  size_t at[kAttendRows] = {};  // each row's first run that does not lie wholly before the chunk
  int64_t end = 0;
  for (size_t r = 0; r < rows.size(); ++r) {
    if (!runs[r].empty()) end = std::max(end, runs[r].back().end);
  }
  for (int64_t chunk = 0; chunk < chunks_of(end); ++chunk) {
    const int64_t begin = chunk * kChunkKeys;
    std::fill_n(seen, rows.size() * kChunkBlocks, 0);
    uint64_t any = 0;
    for (size_t r = 0; r < rows.size(); ++r) {
      uint64_t* own = seen + r * kChunkBlocks;
      const std::vector<Run>& list = runs[r];
      while (at[r] < list.size() && list[at[r]].end <= begin) ++at[r];
      for (size_t i = at[r]; i < list.size() && list[i].begin < begin + kChunkKeys; ++i) {
        mark(own, std::max(list[i].begin - begin, int64_t{0}),
             std::min(list[i].end - begin, kChunkKeys));
      }
      for (int64_t b = 0; b < kChunkBlocks; ++b) any |= call.chosen[b] |= own[b];
    }
    if (any != 0) flush(call, shape, store, kv_head, chunk, rows, mine);
  }
}

void gather_copied(const AttendShape& shape, const CopiedKeys& copies, int64_t width,
                   std::span<const Gather> rows, AttendScratch::PerThread& mine) {
  AttendRow specs[kAttendRows];
  aim(rows, mine, width, specs);
  AttendChunk call;
  call.rows = {specs, rows.size()};
  call.width = width;
  call.softcap = shape.softcap;
  call.scores = mine.scores.data();
  for (int64_t chunk = 0; chunk < chunks_of(copies.size()); ++chunk) {
    for (size_t i = 0; i < rows.size(); ++i) {
      specs[i].end = std::min(kChunkKeys, copies.size() - chunk * kChunkKeys);
    }
    copies.fill(call, chunk);
    kernels().attend(call);
    take(rows, mine, width);
  }
}

}  // namespace tessera
