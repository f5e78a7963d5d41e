// A mixture of experts: each row is sent to the few experts that its router scores highest
// (Shazeer et al. 2017; Jiang et al. 2024, arXiv 2401.04088, section 2).
#pragma once

#include <string>
#include <vector>

#include "tessera/network/linear_stage.h"
#include "tessera/network/stage.h"

namespace tessera {

struct Expert {
  PackedMatrix gate, up, down;  // gate is empty (no rows) when the network is not gated
};

struct MixtureShape {
  int64_t used = 0;          // experts a row is sent to
  bool renormalised = true;  // their weights sum to one
  Activation activation = Activation::silu;
};

// Scratch that all mixtures of a network share, sized by the plan.
struct MixtureScratch {
  Rows scores;                    // [rows, experts]
  Rows gathered, gate, up, down;  // rows of one expert
  Tiles gathered_tiles, inner_tiles;
  std::vector<int32_t> chosen;   // [rows, used]
  std::vector<float> weight;     // [rows, used]
  std::vector<int32_t> members;  // rows of each expert, expert after expert
  std::vector<int32_t> slot;     // weight of each member, as an index into `weight`
  std::vector<int32_t> begin;    // [experts + 1] into members
};

class MixtureStage final : public Stage {
 public:
  MixtureStage(MixtureShape shape, const Rows* in, const Tiles* tiles, Rows* out,
               MixtureScratch* scratch)
      : shape_(shape), in_(in), tiles_(tiles), out_(out), scratch_(scratch) {}
  void run(Crew& crew, const Chunk& chunk) override;
  std::string operation() const override { return "experts"; }
  StageWork work(const Chunk& chunk, int64_t keys_read) const override;

  PackedMatrix router;
  std::vector<Expert> experts;
  int64_t layer = 0;

 private:
  void route(Crew& crew, int64_t rows);
  void sort_rows(int64_t rows);
  void run_expert(Crew& crew, int64_t number, int64_t begin, int64_t count);
  MixtureShape shape_;
  const Rows* in_;
  const Tiles* tiles_;
  Rows* out_;
  MixtureScratch* scratch_;
};

}  // namespace tessera
