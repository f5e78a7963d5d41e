#include "tessera/network/attend_stage.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace tessera {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

int64_t chunks_of(int64_t entries) { return (entries + kChunkKeys - 1) / kChunkKeys; }

void add_to(int64_t& counter, int64_t n) {
  std::atomic_ref<int64_t>(counter).fetch_add(n, std::memory_order_relaxed);
}

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
  kernels().attend(call);
}

// All chunks that any of the rows looks at, in ascending order.
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
    for (size_t i = 0; i < rows.size(); ++i) {
      kernels().merge(rows[i].maximum, rows[i].total, rows[i].weighted, mine.chunk_maximum[i],
                      mine.chunk_total[i], mine.chunk.data() + static_cast<int64_t>(i) * width,
                      width);
    }
  }
}

void finish(const float* weighted, float total, int64_t n, float* out) {
  const float inverse = 1 / total;
  for (int64_t d = 0; d < n; ++d) out[d] = weighted[d] * inverse;
}

void count(const ChunkSegment& s, int64_t read, int64_t possible, int64_t queries, int64_t full) {
  if (!s.counters) return;
  add_to(s.counters->keys_read, read);
  add_to(s.counters->keys_possible, possible);
  add_to(s.counters->steps, queries);
  add_to(s.counters->full_steps, full);
}

// q scaled into a padded row; turned by `turn` positions more than it already is.
void load_head(const AttendShape& shape, const float* q, int64_t turn, float* out, int64_t width) {
  std::memcpy(out, q, static_cast<size_t>(shape.head_width) * sizeof(float));
  std::fill(out + shape.head_width, out + width, 0.f);
  if (turn != 0 && shape.rope) {
    const int64_t p = std::abs(turn);
    rotate(out, shape.rope->cosines(p), shape.rope->sines(p), shape.rope->pairs(),
           shape.interleaved, turn > 0 ? 1.f : -1.f);
  }
  for (int64_t d = 0; d < shape.rotary_width; ++d) out[d] *= shape.rotary_scale;
  for (int64_t d = 0; d < shape.head_width; ++d) out[d] *= shape.scale;
}

void clear(AttendScratch::PerThread& mine, int64_t rows, int64_t width) {
  std::fill_n(mine.maximum.begin(), rows, kNothing);
  std::fill_n(mine.total.begin(), rows, 0.f);
  std::fill_n(mine.weighted.begin(), rows * width, 0.f);
}

}  // namespace

void AttendScratch::prepare(int64_t threads, int64_t padded_width, int64_t rows, int64_t heads,
                            int64_t entries) {
  threads_.resize(static_cast<size_t>(threads));
  const auto lines = static_cast<size_t>(kAttendRows * padded_width);
  for (PerThread& t : threads_) {
    t.query.resize(lines);
    t.chunk.resize(lines);
    t.weighted.resize(lines);
    t.scores.resize(static_cast<size_t>(kAttendRows * kChunkKeys));
    for (auto* v : {&t.chunk_maximum, &t.chunk_total, &t.maximum, &t.total}) v->resize(kAttendRows);
    t.runs.reserve(64);
  }
  if (rows <= kSplitRows) {
    partial_heads_ = rows * heads;
    partial_width_ = padded_width + 2;
    // Grows in steps, so that a past that grows by one token does not allocate each time.
    const int64_t chunks = (chunks_of(entries) + 15) / 16 * 16;
    const auto need = static_cast<size_t>(chunks * partial_heads_ * partial_width_);
    if (partial_.size() < need) partial_.resize(need);
  }
}

int64_t AttendStage::first_seen(const ChunkSegment&, int64_t entry) const {
  return shape_.window > 0 ? std::max<int64_t>(0, entry + 1 - shape_.window) : 0;
}

int64_t AttendStage::last_seen(const ChunkSegment& s, int64_t entry) const {
  return s.sees_all ? s.first_entry + s.rows : entry + 1;
}

void AttendStage::collect_runs(const Chunk& chunk, const ChunkSegment& s, int64_t kv_head,
                               int64_t row, std::vector<Run>& runs) const {
  runs.clear();
  const int64_t entry = chunk.entry[static_cast<size_t>(row)];
  const int64_t position = chunk.position[static_cast<size_t>(row)];
  if (!s.parents.empty()) {
    // The past, then the ancestors of this node, oldest first.
    const int64_t start = s.first_entry;
    for (int64_t node = row - s.first_row; node >= 0; node = s.parents[static_cast<size_t>(node)]) {
      runs.push_back({start + node, start + node + 1, position});
    }
    if (start > 0) runs.push_back({0, start, position});
    std::reverse(runs.begin(), runs.end());
    return;
  }
  if (s.policy && !s.policy->attends_everything()) {
    const int64_t group = shape_.heads / shape_.kv_heads;
    s.policy->select({shape_.layer,
                      kv_head,
                      entry,
                      position,
                      {q_->row(row) + kv_head * group * shape_.head_width,
                       static_cast<size_t>(group * shape_.head_width)}},
                     runs);
    return;
  }
  runs.push_back({first_seen(s, entry), last_seen(s, entry), position});
}

// Rows that each see one range: a tile of neighbouring tokens shares every block it reads.
void AttendStage::attend_rows(Crew& crew, const Chunk& chunk, const ChunkSegment& s,
                              int64_t kv_head, int64_t row, int64_t rows, int64_t head,
                              int64_t heads) {
  auto& mine = scratch_->thread(crew.thread);
  const int64_t width = s.store->shape().padded();
  Gather gathers[kAttendRows];
  int64_t n = 0, read = 0, possible = 0;
  clear(mine, rows * heads, width);
  for (int64_t r = row; r < row + rows; ++r) {
    const int64_t entry = chunk.entry[static_cast<size_t>(r)];
    const int64_t begin = first_seen(s, entry), end = last_seen(s, entry);
    read += end - begin;
    possible += end;
    for (int64_t h = head; h < head + heads; ++h, ++n) {
      load_head(shape_, q_->row(r) + h * shape_.head_width, 0, mine.query.data() + n * width,
                width);
      gathers[n] = {mine.query.data() + n * width,
                    begin,
                    end,
                    chunk.position[static_cast<size_t>(r)],
                    shape_.slopes.empty() ? 0.f : shape_.slopes[static_cast<size_t>(h)],
                    &mine.maximum[static_cast<size_t>(n)],
                    &mine.total[static_cast<size_t>(n)],
                    mine.weighted.data() + n * width};
    }
  }
  gather(shape_, *s.store, kv_head, {gathers, static_cast<size_t>(n)}, mine);
  n = 0;
  for (int64_t r = row; r < row + rows; ++r) {
    for (int64_t h = head; h < head + heads; ++h, ++n) {
      finish(gathers[n].weighted, *gathers[n].total, shape_.head_width,
             out_->row(r) + h * shape_.head_width);
    }
  }
  if (head % (shape_.heads / shape_.kv_heads) == 0) {
    count(s, read, possible, rows, read == possible ? rows : 0);
  }
}

// One token whose policy chose several runs.
void AttendStage::attend_runs(Crew& crew, const Chunk& chunk, const ChunkSegment& s,
                              int64_t kv_head, int64_t row, int64_t head, int64_t heads) {
  auto& mine = scratch_->thread(crew.thread);
  const int64_t width = s.store->shape().padded();
  const int64_t position = chunk.position[static_cast<size_t>(row)];
  collect_runs(chunk, s, kv_head, row, mine.runs);
  clear(mine, heads, width);
  Gather gathers[kAttendRows];
  int64_t read = 0;
  for (const Run& run : mine.runs) {
    for (int64_t i = 0; i < heads; ++i) {
      const int64_t h = head + i;
      load_head(shape_, q_->row(row) + h * shape_.head_width, run.query_position - position,
                mine.query.data() + i * width, width);
      gathers[i] = {mine.query.data() + i * width,
                    run.begin,
                    run.end,
                    run.query_position,
                    shape_.slopes.empty() ? 0.f : shape_.slopes[static_cast<size_t>(h)],
                    &mine.maximum[static_cast<size_t>(i)],
                    &mine.total[static_cast<size_t>(i)],
                    mine.weighted.data() + i * width};
    }
    gather(shape_, *s.store, kv_head, {gathers, static_cast<size_t>(heads)}, mine);
    read += run.end - run.begin;
  }
  for (int64_t i = 0; i < heads; ++i) {
    finish(gathers[i].weighted, *gathers[i].total, shape_.head_width,
           out_->row(row) + (head + i) * shape_.head_width);
  }
  if (head % (shape_.heads / shape_.kv_heads) == 0) {
    const int64_t possible = chunk.entry[static_cast<size_t>(row)] + 1;
    count(s, read, possible, 1, read == possible);
  }
}

// Few queries over a long past: the threads share out chunks, then merge them in order.
void AttendStage::attend_split(Crew& crew, const Chunk& chunk) {
  auto& mine = scratch_->thread(crew.thread);
  const int64_t group = shape_.heads / shape_.kv_heads;
  const int64_t heads_each = std::min(group, kAttendRows);
  const int64_t parts = shape_.kv_heads * ((group + heads_each - 1) / heads_each);
  int64_t items = 0;
  for (int64_t r = 0; r < chunk.rows; ++r) {
    items += parts * chunks_of(chunk.entry[static_cast<size_t>(r)] + 1);
  }
  const Share share = share_of(items, crew.thread, crew.size());
  auto segment_of = [&](int64_t r) -> const ChunkSegment& {
    return chunk.segments[static_cast<size_t>(chunk.segment_of[static_cast<size_t>(r)])];
  };
  int64_t item = 0;
  for (int64_t r = 0; r < chunk.rows; ++r) {
    const ChunkSegment& s = segment_of(r);
    const int64_t width = s.store->shape().padded();
    const int64_t entry = chunk.entry[static_cast<size_t>(r)];
    const int64_t chunks = chunks_of(entry + 1);
    for (int64_t part = 0; part < parts; ++part) {
      if (item + chunks <= share.begin || item >= share.end) {
        item += chunks;
        continue;
      }
      const int64_t per_kv = parts / shape_.kv_heads;
      const int64_t kv_head = part / per_kv;
      const int64_t head = kv_head * group + part % per_kv * heads_each;
      const int64_t heads = std::min(heads_each, (kv_head + 1) * group - head);
      Gather gathers[kAttendRows];
      for (int64_t i = 0; i < heads; ++i) {
        load_head(shape_, q_->row(r) + (head + i) * shape_.head_width, 0,
                  mine.query.data() + i * width, width);
        gathers[i] = {mine.query.data() + i * width,
                      first_seen(s, entry),
                      entry + 1,
                      chunk.position[static_cast<size_t>(r)],
                      shape_.slopes.empty() ? 0.f : shape_.slopes[static_cast<size_t>(head + i)],
                      nullptr,
                      nullptr,
                      nullptr};
      }
      for (int64_t c = 0; c < chunks; ++c, ++item) {
        if (item < share.begin || item >= share.end) continue;
        attend_chunk(shape_, *s.store, kv_head, c, {gathers, static_cast<size_t>(heads)}, mine,
                     mine.chunk_maximum.data(), mine.chunk_total.data(), mine.chunk.data(), width);
        for (int64_t i = 0; i < heads; ++i) {
          float* to = scratch_->partial(c, r * shape_.heads + head + i);
          to[0] = mine.chunk_maximum[static_cast<size_t>(i)];
          to[1] = mine.chunk_total[static_cast<size_t>(i)];
          std::memcpy(to + 2, mine.chunk.data() + i * width,
                      static_cast<size_t>(width) * sizeof(float));
        }
      }
    }
  }
  crew.barrier();
  const Share merged = share_of(chunk.rows * shape_.heads, crew.thread, crew.size());
  for (int64_t i = merged.begin; i < merged.end; ++i) {
    const int64_t r = i / shape_.heads, h = i % shape_.heads;
    const ChunkSegment& s = segment_of(r);
    const int64_t width = s.store->shape().padded();
    const int64_t entry = chunk.entry[static_cast<size_t>(r)];
    clear(mine, 1, width);
    for (int64_t c = first_seen(s, entry) / kChunkKeys; c < chunks_of(entry + 1); ++c) {
      const float* from = scratch_->partial(c, i);
      kernels().merge(mine.maximum.data(), mine.total.data(), mine.weighted.data(), from[0],
                      from[1], from + 2, width);
    }
    finish(mine.weighted.data(), mine.total[0], shape_.head_width,
           out_->row(r) + h * shape_.head_width);
    if (h % group == 0) {
      const int64_t read = entry + 1 - first_seen(s, entry);
      count(s, read, entry + 1, 1, read == entry + 1);
    }
  }
}

void AttendStage::run(Crew& crew, const Chunk& chunk) {
  const int64_t group = shape_.heads / shape_.kv_heads;
  const int64_t heads_each = std::min(group, kAttendRows);
  const int64_t head_parts = (group + heads_each - 1) / heads_each;
  bool split = chunk.rows <= kSplitRows;
  for (const ChunkSegment& s : chunk.segments) {
    split =
        split && s.parents.empty() && !s.sees_all && (!s.policy || s.policy->attends_everything());
  }
  if (split) return attend_split(crew, chunk);

  int64_t claimed = crew.claim(), before = 0;
  for (const ChunkSegment& s : chunk.segments) {
    const bool one_range = s.parents.empty() && (!s.policy || s.policy->attends_everything());
    const int64_t rows_each = one_range ? std::max<int64_t>(1, kAttendRows / heads_each) : 1;
    const int64_t tiles = (s.rows + rows_each - 1) / rows_each;
    const int64_t items = tiles * shape_.kv_heads * head_parts;
    for (; claimed < before + items; claimed = crew.claim()) {
      const int64_t item = claimed - before;
      // Late rows cost most: they are handed out first.
      const int64_t tile = tiles - 1 - item / (shape_.kv_heads * head_parts);
      const int64_t part = item % (shape_.kv_heads * head_parts);
      const int64_t kv_head = part / head_parts;
      const int64_t head = kv_head * group + part % head_parts * heads_each;
      const int64_t heads = std::min(heads_each, (kv_head + 1) * group - head);
      const int64_t row = s.first_row + tile * rows_each;
      if (one_range) {
        attend_rows(crew, chunk, s, kv_head, row, std::min(rows_each, s.first_row + s.rows - row),
                    head, heads);
      } else {
        attend_runs(crew, chunk, s, kv_head, row, head, heads);
      }
    }
    before += items;
  }
}

}  // namespace tessera
