// Compiles the graph of a network into the flat list of stages that the engine runs.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "tessera/base/big_buffer.h"
#include "tessera/files/checkpoint.h"
#include "tessera/network/activation_bits.h"
#include "tessera/network/attend_stage.h"
#include "tessera/network/graph.h"
#include "tessera/network/linear_stage.h"
#include "tessera/network/mixture_stage.h"
#include "tessera/network/profile.h"
#include "tessera/network/row_stage.h"
#include "tessera/network/weights.h"

namespace tessera {

class Plan {
 public:
  // Reads and packs all weights. Throws Error for a checkpoint that lacks a parameter.
  Plan(const ModelDescription& d, const Checkpoint& checkpoint, ActivationBits activations);

  // Makes room for chunks of up to `rows` rows, `wanted` of them wanted at once.
  void reserve(int64_t rows, int64_t wanted);
  int64_t rows() const { return rows_; }
  int64_t wanted_rows() const { return wanted_; }
  // Makes tables and scratch reach as far as a chunk needs; call before run().
  void prepare(const Chunk& chunk);
  // Where the costs of what runs are counted; null: nowhere. Not owned.
  void count_into(Profile* profile) { profile_ = profile; }
  // Who is shown what the matrices of the body read; null: nobody. Not owned.
  void observe_inputs(InputObserver* observer) { observer_ = observer; }
  // Needs reserve() before it. Takes some 0.1 s.
  NetworkFloor floor() const;
  // All stages over all rows of the chunk; `wanted` is left to run_head().
  void run_body(const Chunk& chunk);
  // Only what comes before the attention of a layer, which is given: it can show its segments.
  const AttendStage& run_to_attention(const Chunk& chunk, int64_t layer);
  // The head over chunk.wanted (at most wanted_rows() of them).
  void run_head(const Chunk& chunk);

  // Where the vectors of a chunk go before run_body().   [rows, embedding_width]
  const Rows& input() const { return slots_.front().rows; }
  // [wanted_rows, d] and [wanted_rows, vocabulary] of the last run_head(); logits is null when the
  // network has no head.
  const Rows& hidden() const { return *hidden_; }
  const Rows* logits() const { return logits_; }

  int64_t weight_bytes() const { return weights_.bytes(); }
  int64_t scratch_bytes() const { return buffers_memory_.size(); }
  const std::vector<std::unique_ptr<Stage>>& body() const { return body_; }

 private:
  friend class Compiler;
  struct Slot {
    Rows rows;
    bool wanted = false;
  };
  ModelDescription description_;
  ActivationBits activations_;
  Weights weights_;
  std::deque<Slot> slots_;  // stable addresses: stages point at their Rows
  std::deque<Tiles> tiles_;
  std::vector<int64_t> tile_columns_;
  std::vector<bool> tile_wanted_;
  std::deque<RopeTable> ropes_;
  std::deque<MixtureScratch> mixture_;
  std::vector<std::unique_ptr<Stage>> body_, head_;
  AttendScratch attend_;
  Profile* profile_ = nullptr;
  InputObserver* observer_ = nullptr;
  const Rows* hidden_ = nullptr;
  const Rows* logits_ = nullptr;
  int64_t rows_ = 0, wanted_ = 0;
  BigBuffer buffers_memory_;
};

}  // namespace tessera
