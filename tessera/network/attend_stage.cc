#include "tessera/network/attend_stage.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tessera/network/attend_lines.h"
#include "tessera/network/gather.h"

namespace tessera {
void AttendScratch::prepare(int64_t threads, int64_t padded_width, int64_t rows, int64_t heads,
                            int64_t entries) {
  threads_.resize(static_cast<size_t>(threads));
  const auto lines = static_cast<size_t>(kAttendRows * padded_width);
  const auto tile = static_cast<size_t>(kTileLines * padded_width);
  for (PerThread& t : threads_) {
    t.query.resize(tile);
    t.chunk.resize(lines);
    t.weighted.resize(tile);
    t.scores.resize(static_cast<size_t>(kAttendRows * kChunkKeys));
    t.damped_weighted.resize(lines);
    for (auto* v : {&t.chunk_maximum, &t.chunk_total, &t.damped_maximum, &t.damped_total}) {
      v->resize(kAttendRows);
    }
    t.maximum.resize(kTileLines);
    t.total.resize(kTileLines);
    t.gathers.reserve(kTileLines);
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

// Leading rows of a segment that see everything before them.
int64_t AttendStage::dense_rows(const ChunkSegment& s) const {
  if (!s.parents.empty()) return 0;
  if (!s.policy || s.policy->attends_everything()) return s.rows;
  if (!s.policy->chooses()) return 0;
  if (!s.policy->concerns(shape_.layer)) return s.rows;
  return std::clamp<int64_t>(s.policy->everything_below() - s.first_entry - s.dropped, 0, s.rows);
}

bool AttendStage::chooses(const ChunkSegment& s) const {
  return s.policy && s.policy->chooses() && s.policy->concerns(shape_.layer);
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
  clear_lines(mine, rows * heads, width);
  for (int64_t r = row; r < row + rows; ++r) {
    const int64_t entry = chunk.entry[static_cast<size_t>(r)];
    const int64_t begin = first_seen(s, entry), end = last_seen(s, entry);
    read += end - begin;
    possible += end + s.dropped;
    for (int64_t h = head; h < head + heads; ++h, ++n) {
      load_query(shape_, q_->row(r) + h * shape_.head_width, 0, mine.query.data() + n * width,
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
      finish_line(gathers[n].weighted, *gathers[n].total, shape_.head_width,
                  out_->row(r) + h * shape_.head_width);
    }
  }
  if (head % (shape_.heads / shape_.kv_heads) == 0) {
    count_reads(s, read, possible, rows, read == possible ? rows : 0);
  }
}

// One token whose policy chose several runs.
void AttendStage::attend_runs(Crew& crew, const Chunk& chunk, const ChunkSegment& s,
                              int64_t kv_head, int64_t row, int64_t head, int64_t heads) {
  auto& mine = scratch_->thread(crew.thread);
  const int64_t width = s.store->shape().padded();
  const int64_t position = chunk.position[static_cast<size_t>(row)];
  collect_runs(chunk, s, kv_head, row, mine.runs);
  clear_lines(mine, heads, width);
  Gather gathers[kAttendRows];
  int64_t read = 0;
  for (const Run& run : mine.runs) {
    for (int64_t i = 0; i < heads; ++i) {
      const int64_t h = head + i;
      load_query(shape_, q_->row(row) + h * shape_.head_width, run.query_position - position,
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
    finish_line(gathers[i].weighted, *gathers[i].total, shape_.head_width,
                out_->row(row) + (head + i) * shape_.head_width);
  }
  if (head % (shape_.heads / shape_.kv_heads) == 0) {
    const int64_t possible = chunk.entry[static_cast<size_t>(row)] + 1;
    count_reads(s, read, possible, 1, read == possible);
  }
}

LayerView AttendStage::view_of(const Chunk& chunk, const ChunkSegment& s) const {
  return {shape_,
          *s.store,
          q_->row(s.first_row),
          q_->stride,
          chunk.position.subspan(static_cast<size_t>(s.first_row), static_cast<size_t>(s.rows)),
          s.first_entry,
          s.dropped};
}

// Shows the layer's queries and keys to the policies that choose by them.
void AttendStage::observe(Crew& crew, const Chunk& chunk) {
  const auto for_heads = [&](void (ContextPolicy::*does)(const LayerView&, int64_t)) {
    const auto items = static_cast<int64_t>(chunk.segments.size()) * shape_.kv_heads;
    for (int64_t i = crew.claim(); i < items; i = crew.claim()) {
      const ChunkSegment& s = chunk.segments[static_cast<size_t>(i / shape_.kv_heads)];
      if (chooses(s)) (s.policy->*does)(view_of(chunk, s), i % shape_.kv_heads);
    }
    crew.barrier();
  };
  for_heads(&ContextPolicy::observe);
  const auto segments = static_cast<int64_t>(chunk.segments.size());
  for (int64_t i = crew.claim(); i < segments; i = crew.claim()) {
    const ChunkSegment& s = chunk.segments[static_cast<size_t>(i)];
    if (chooses(s)) s.policy->settle(view_of(chunk, s));
  }
  crew.barrier();
  for_heads(&ContextPolicy::arrange);
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
        load_query(shape_, q_->row(r) + (head + i) * shape_.head_width, 0,
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
    clear_lines(mine, 1, width);
    for (int64_t c = first_seen(s, entry) / kChunkKeys; c < chunks_of(entry + 1); ++c) {
      const float* from = scratch_->partial(c, i);
      kernels().merge(mine.maximum.data(), mine.total.data(), mine.weighted.data(), from[0],
                      from[1], from + 2, width);
    }
    finish_line(mine.weighted.data(), mine.total[0], shape_.head_width,
                out_->row(r) + h * shape_.head_width);
    if (h % group == 0) {
      const int64_t read = entry + 1 - first_seen(s, entry), possible = entry + 1 + s.dropped;
      count_reads(s, read, possible, 1, read == possible);
    }
  }
}

StageWork AttendStage::work(const Chunk& chunk, int64_t keys_read) const {
  StageWork work;
  int64_t keys = keys_read;
  for (const ChunkSegment& s : chunk.segments) {
    const KvShape& held = s.store->shape();
    // A key that several rows of a text attend to need not be fetched twice.
    const int64_t entries = (s.first_entry + s.rows) * shape_.kv_heads;
    if (!s.counters) keys += s.rows * s.rows * shape_.kv_heads;
    work.bytes += entries * held.half_bytes() / kBlockKeys * 2;
  }
  const int64_t a_key =
      chunk.segments.empty() ? 0 : chunk.segments[0].store->shape().half_bytes() / kBlockKeys * 2;
  work.bytes = std::min(work.bytes, keys * a_key);
  work.multiply_adds = keys * (shape_.heads / shape_.kv_heads) * shape_.head_width * 2;
  return work;
}

void AttendStage::run(Crew& crew, const Chunk& chunk) {
  const int64_t group = shape_.heads / shape_.kv_heads;
  const int64_t heads_each = std::min(group, kAttendRows);
  const int64_t head_parts = (group + heads_each - 1) / heads_each;
  bool split = chunk.rows <= kSplitRows, choosing = false;
  for (const ChunkSegment& s : chunk.segments) {
    split = split && !s.sees_all && dense_rows(s) == s.rows;
    choosing = choosing || chooses(s);
  }
  if (choosing) observe(crew, chunk);
  if (split) return attend_split(crew, chunk);

  int64_t claimed = crew.claim(), before = 0;
  // Rows first .. first + count - 1 of a segment, those that see one range, or may have chosen it
  // together, in tiles.
  auto deal = [&](const ChunkSegment& s, int64_t first, int64_t count, bool one_range) {
    int64_t rows_each = 1;
    if (one_range) {
      rows_each = std::max<int64_t>(1, kAttendRows / heads_each);
    } else if (chooses(s) && !s.policy->per_query_head()) {
      // Enough tiles for everyone.
      const int64_t parts = shape_.kv_heads * head_parts;
      rows_each =
          std::clamp<int64_t>(count * parts / (4 * crew.size()), 1, kTileLines / heads_each);
    }
    const int64_t tiles = (count + rows_each - 1) / rows_each;
    const int64_t items = tiles * shape_.kv_heads * head_parts;
    for (; claimed < before + items; claimed = crew.claim()) {
      const int64_t item = claimed - before;
      // Late rows cost most: they are handed out first.
      const int64_t tile = tiles - 1 - item / (shape_.kv_heads * head_parts);
      const int64_t part = item % (shape_.kv_heads * head_parts);
      const int64_t kv_head = part / head_parts;
      const int64_t head = kv_head * group + part % head_parts * heads_each;
      const int64_t heads = std::min(heads_each, (kv_head + 1) * group - head);
      const int64_t row = s.first_row + first + tile * rows_each;
      if (one_range) {
        attend_rows(crew, chunk, s, kv_head, row,
                    std::min(rows_each, s.first_row + first + count - row), head, heads);
      } else if (chooses(s)) {
        attend_chosen(crew, chunk, s, kv_head, row,
                      std::min(rows_each, s.first_row + first + count - row), head, heads);
      } else {
        attend_runs(crew, chunk, s, kv_head, row, head, heads);
      }
    }
    before += items;
  };
  for (const ChunkSegment& s : chunk.segments) {
    const int64_t dense = dense_rows(s);
    deal(s, 0, dense, true);
    deal(s, dense, s.rows - dense, false);
  }
}

}  // namespace tessera
