// Stored elements to fp32 and back, for every type that files hold. Block layouts:
// docs/formats/gguf.md. The plain reference of every faster kernel that reads the same blocks.
#pragma once

#include <cstddef>
#include <span>

#include "tessera/kernels/types.h"

namespace tessera {

// Needs out.size() to be a multiple of the type's block and data to hold that many elements.
// Integers and f64 are rounded to fp32.
void dequantise(DType type, std::span<const std::byte> data, std::span<float> out);

// Whether quantise() writes this type, as those of writable_types() are.
bool can_quantise(DType type);
// f32, f16, bf16, q8_0, q6_k, q5_k, q5_1, q5_0, q4_k, q4_1, q4_0.
std::span<const DType> writable_types();

// Needs can_quantise(type), values.size() a multiple of the block and out of the matching size. The
// plain types round to nearest even; q4_0 to q8_0 give the bits that ggml's reference gives; q4_k
// to q6_k are fitted (block_grid.h). Values must be finite.
void quantise(DType type, std::span<const float> values, std::span<std::byte> out);

// The same for whole rows, where what an error costs differs by column: sum of weight * error^2 of
// a block is never above that of quantise(), whose bytes come out where all weights of a block are
// equal, and for types without a grid (block_grid.h).
//   values  [rows, columns]
//   weights [columns], finite, >= 0; columns a multiple of the block
void quantise_weighted(DType type, std::span<const float> values, std::span<const float> weights,
                       std::span<std::byte> out);

}  // namespace tessera
