// The network that load_network() makes: a plan, the pasts of its texts, and the chunks in which
// rows go through it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tessera/files/model.h"
#include "tessera/network/engine.h"
#include "tessera/network/engine_past.h"
#include "tessera/network/plan.h"
#include "tessera/network/selection_trace.h"

namespace tessera {

class Engine final : public Network {
 public:
  Engine(const ModelFiles& model, const EngineOptions& options);

  const ModelDescription& description() const override { return description_; }
  int64_t trained_context() const override { return trained_context_; }
  std::unique_ptr<Past> new_past(const std::string& policy) override;
  int64_t cache_bytes() const override {
    return pool_->taken() * 2 * shape_.half_bytes() + *policies_;
  }
  int64_t cache_bytes_for(const std::string& policy, int64_t tokens, int64_t step) const override;
  void write_past(const Past& past, const ByteSink& sink) const override;
  std::unique_ptr<Past> read_past(std::span<const std::byte> bytes,
                                  const std::string& policy) override;
  void embed(std::span<const int32_t> ids, std::span<float> out) override;
  void forward(std::span<const Segment> batch) override;
  void read_layer(Past& past, std::span<const float> vectors, int64_t layer,
                  const LayerSink& sink) override;

  // What engine.h offers for any Network.
  void count_into(Profile* profile);
  void observe_inputs(InputObserver* observer) { plan_.observe_inputs(observer); }
  void trace_into(SelectionSink* sink) { trace_ = sink; }
  NetworkFloor floor() const { return plan_.floor(); }
  std::string arithmetic() const;
  EngineMemory memory() const;

 private:
  // Part of a segment that the current chunk computes.
  struct Piece {
    size_t segment;
    int64_t begin, count;  // rows of the segment
  };
  struct Owner {
    size_t segment;
    int64_t row;
  };
  class Shown;

  std::unique_ptr<ContextPolicy> attached(const std::string& policy) const;
  void check_shown(const EnginePast& past, int64_t layer) const;
  void check_segments(std::span<const Segment> batch) const;
  // Fills the chunk with rows from segment `first` on; gives the first segment that is not done.
  size_t gather_chunk(std::span<const Segment> batch, size_t first);
  void lay_out(std::span<const Segment> batch);
  void run_chunk(std::span<const Segment> batch);
  // Drops what the policy no longer keeps.
  void compact(EnginePast& past);
  // Runs the head over the wanted rows of this chunk and copies the results to their owners.
  void deliver(std::span<const Segment> batch, Chunk chunk);

  ModelDescription description_;
  int64_t trained_context_ = 0;
  std::shared_ptr<Checkpoint> checkpoint_;
  std::vector<StoredTensor> tensors_;
  std::once_flag hashed_;
  std::string weights_;
  EngineOptions options_;
  Plan plan_;
  Parameter table_;
  Profile* profile_ = nullptr;
  SelectionSink* trace_ = nullptr;
  KvShape shape_;
  std::shared_ptr<KvPool> pool_;
  std::shared_ptr<PolicyBytes> policies_ = std::make_shared<PolicyBytes>(0);
  Geometry geometry_;
  std::vector<std::unique_ptr<KvStore>> encoder_stores_;

  // The current chunk; kept between calls so that nothing is allocated per token.
  std::vector<Piece> pieces_;
  int64_t done_ = 0;
  std::vector<ChunkSegment> segments_;
  std::vector<int32_t> segment_of_, position_, wanted_;
  std::vector<int64_t> entry_;
  std::vector<Owner> owners_;
  int64_t shown_layer_ = -1;             // where passes stop, for read_layer()
  const LayerSink* shown_to_ = nullptr;  // null: they run to the end
  std::vector<Run> runs_;
  std::vector<Move> moves_;
};

}  // namespace tessera
