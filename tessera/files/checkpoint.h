// The weights of a model by the part they play, whatever the file calls, fuses or permutes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tessera/files/model_description.h"
#include "tessera/kernels/types.h"

namespace tessera {

// A linear layer, norm or table of the network.
enum class Part {
  token_embedding,
  position_embedding,
  token_type_embedding,
  embedding_norm,
  embedding_projection,
  attention_norm,
  query,
  key,
  value,
  query_norm,
  key_norm,
  attention_output,
  attention_output_norm,    // after the sub-layer, before the sum (OLMo2, Gemma 2)
  attention_residual_norm,  // after the sum (BERT)
  ffn_norm,
  gate,
  up,
  down,
  router,
  ffn_output_norm,
  ffn_residual_norm,
  final_norm,
  output,
  output_projection,  // from width to embedding_width in front of a tied table (OPT 350m)
};

struct Place {
  Part part;
  int64_t layer = -1;   // -1 outside the layers
  int64_t expert = -1;  // -1 for the plain feed-forward block
};

// One parameter, as a matrix [rows, columns] (a vector is [1, columns]) over the file's bytes.
// Logical row r is the stored row `row_map[r]`, or r when the map is empty; so parts of fused
// tensors (GPT-2's c_attn, GPT-NeoX's query_key_value) and permuted ones look like any other.
struct Parameter {
  std::string module;  // Hugging Face path of the module: "model.layers.0.self_attn.q_proj"
  std::string tensor;  // the tensor's name in the file, for messages
  DType type = DType::f32;
  int64_t rows = 0, columns = 0;
  std::span<const std::byte> data;  // the whole stored tensor; lives as long as the checkpoint
  int64_t stored_rows = 0;          // rows of the stored tensor, for `transposed` the columns of it
  bool transposed = false;  // stored [columns, stored_rows] (GPT-2's Conv1D); plain types only
  std::vector<int32_t> row_map;

  bool present() const { return columns > 0; }
};

// Row `r` of `p` in fp32.   out [columns]
void read_row(const Parameter& p, int64_t r, std::span<float> out);
// The whole parameter in fp32, row-major.   [rows, columns]
std::vector<float> read_all(const Parameter& p);

class Checkpoint {
 public:
  virtual ~Checkpoint() = default;
  // The weight at `place`; !present() when the model has none there. A present one has the shape
  // that the description asks for: anything else was refused when the model was opened.
  virtual Parameter weight(const Place& place) const = 0;
  // Its bias [1, rows]; !present() when it has none.
  virtual Parameter bias(const Place& place) const = 0;
  // Tells the checkpoint that a parameter's bytes were copied elsewhere, so that its mapped pages
  // need not stay resident.
  virtual void release(const Parameter& p) const = 0;
};

}  // namespace tessera
