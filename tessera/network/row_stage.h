// Operations that compute each row from the same row: norms, rotations, activations, sums. A
// sequence of them runs tile by tile without a barrier between.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/network/rope.h"
#include "tessera/network/stage.h"

namespace tessera {

enum class RowOpKind : uint8_t {
  rms_norm,
  layer_norm,
  head_norm,
  rotate,
  activate,
  gate,
  add,
  softcap,
  scale,
  add_position,
  add_row,
  take_wanted,
  quantise,
  append,
};

struct RowOp {
  RowOpKind kind;
  const Rows* a = nullptr;
  const Rows* b = nullptr;
  Rows* out = nullptr;
  const float* weight = nullptr;  // norms; table of add_row and add_position [rows, width]
  const float* bias = nullptr;
  float epsilon = 0, offset = 0, scale = 1;
  Activation activation = Activation::silu;
  int64_t heads = 0, layer = 0;
  const RopeTable* rope = nullptr;
  bool interleaved = false;
  int64_t position_offset = 0;
  Tiles* tiles = nullptr;  // quantise
};

class RowStage final : public Stage {
 public:
  explicit RowStage(bool wanted) : wanted_(wanted) {}
  void run(Crew& crew, const Chunk& chunk) override;
  std::string operation() const override { return "norms, rotations, sums"; }
  bool wanted() const { return wanted_; }
  std::vector<RowOp> ops;

 private:
  bool wanted_;  // runs over the wanted rows, not over all
};

}  // namespace tessera
