// A network as a list of operations: what a family's forward pass is written in, once. The engine
// compiles the list into stages of kernels, the workshop runs it through libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/files/checkpoint.h"
#include "tessera/files/model_description.h"

namespace tessera {

// Index of a value [rows, width] of the graph; rows are the positions of a batch.
using ValueId = int32_t;

enum class OpKind : uint8_t {
  input,         // the vectors that were given
  linear,        // W x + b, weight and bias at `place`
  norm,          // RMS or layer norm over the width, weight and bias at `place`
  head_norm,     // RMS norm over each of `heads` equal parts, one weight [width / heads]
  rotate,        // rotary embedding on each of `heads` heads, by the row's position
  attend,        // inputs q, k, v: attention within the row's sequence and its past
  activate,      // activation(x)
  gate,          // activation(a) * b
  add,           // a + scale * b
  softcap,       // cap * tanh(x / cap), cap in `scale`
  scale,         // x * scale
  add_position,  // x + row position + position_offset of the table at `place`
  add_row,       // x + row 0 of the table at `place`
  mixture,       // mixture of experts on x; router, gate, up, down at `place.layer`
  take_wanted,   // of all rows those whose hidden state or logits are wanted; later ops see only
                 // them
};

struct Op {
  OpKind kind;
  Place place{Part::output};  // of the parameters, where the kind has some; layer of `attend`
  std::vector<ValueId> inputs;
  ValueId output = -1;
  int64_t heads = 0;
  Activation activation = Activation::silu;
  double scale = 1;
};

struct Graph {
  std::vector<Op> ops;         // in order of execution, each value is written once
  std::vector<int64_t> width;  // of each value
  ValueId hidden = -1;         // after the final norm, wanted rows
  ValueId logits = -1;         // -1: the network has no head
};

// The forward pass of every transformer that a ModelDescription can describe.
Graph transformer(const ModelDescription& d);

}  // namespace tessera
