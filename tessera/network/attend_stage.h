// Attention of one layer: each query over the runs of the past that its policy chose.
#pragma once

#include <string>
#include <vector>

#include "tessera/base/big_buffer.h"
#include "tessera/network/copied_keys.h"
#include "tessera/network/layer_view.h"
#include "tessera/network/stage.h"

namespace tessera {

// Lines, of a token and head each, that a thread works on at once.
inline constexpr int64_t kTileLines = 8 * kAttendRows;

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

// Scratch that all attention stages of a network share.
class AttendScratch {
 public:
  // Needs to be called before a run, outside of it.
  void prepare(int64_t threads, int64_t padded_width, int64_t rows, int64_t heads, int64_t entries);

  struct PerThread {
    std::vector<float> query, scores, chunk, weighted;
    std::vector<float> chunk_maximum, chunk_total, maximum, total;
    std::vector<Run> runs;
    // For policies that change weights after the softmax: of each head, and what is left.
    std::vector<std::vector<Run>> damped;
    std::vector<Run> rest;
    // Of a tile of rows, or of the heads of one: what each was given, and of it the short runs that
    // are each seen from another place.
    std::vector<std::vector<Run>> each, few;
    std::vector<TurnedKey> single;
    std::vector<Gather> gathers;
    std::vector<float> damped_maximum, damped_total, damped_weighted;
    CopiedKeys turned;
  };
  PerThread& thread(int64_t t) { return threads_[static_cast<size_t>(t)]; }
  // Results of single chunks, for few queries over a long past.   [chunks, rows * heads, 2 + width]
  float* partial(int64_t chunk, int64_t query_head) {
    return partial_.data() + (chunk * partial_heads_ + query_head) * partial_width_;
  }

 private:
  std::vector<PerThread> threads_;
  std::vector<float> partial_;
  int64_t partial_heads_ = 0, partial_width_ = 0;
};

class AttendStage final : public Stage {
 public:
  //   q [rows, heads * head_width], rotated   out the same
  AttendStage(AttendShape shape, const Rows* q, Rows* out, AttendScratch* scratch)
      : shape_(std::move(shape)), q_(q), out_(out), scratch_(scratch) {}
  void run(Crew& crew, const Chunk& chunk) override;
  std::string operation() const override { return "attention"; }
  StageWork work(const Chunk& chunk, int64_t keys_read) const override;
  int64_t layer() const { return shape_.layer; }
  // What a segment's rows look like to this layer.
  LayerView view_of(const Chunk& chunk, const ChunkSegment& s) const;

 private:
  void attend_rows(Crew& crew, const Chunk& chunk, const ChunkSegment& s, int64_t kv_head,
                   int64_t row, int64_t rows, int64_t head, int64_t heads);
  void attend_runs(Crew& crew, const Chunk& chunk, const ChunkSegment& s, int64_t kv_head,
                   int64_t row, int64_t head, int64_t heads);
  void attend_chosen(Crew& crew, const Chunk& chunk, const ChunkSegment& s, int64_t kv_head,
                     int64_t row, int64_t rows, int64_t head, int64_t heads);
  bool chooses(const ChunkSegment& s) const;
  int64_t dense_rows(const ChunkSegment& s) const;
  void attend_split(Crew& crew, const Chunk& chunk);
  void observe(Crew& crew, const Chunk& chunk);
  void collect_runs(const Chunk& chunk, const ChunkSegment& s, int64_t kv_head, int64_t row,
                    std::vector<Run>& runs) const;
  int64_t first_seen(const ChunkSegment& s, int64_t entry) const;
  int64_t last_seen(const ChunkSegment& s, int64_t entry) const;

  AttendShape shape_;
  const Rows* q_;
  Rows* out_;
  AttendScratch* scratch_;
};

// Queries below which attention over a long past is split by chunks instead of by heads.
inline constexpr int64_t kSplitRows = 4;

}  // namespace tessera
