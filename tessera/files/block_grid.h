// The numbers that the codes of one block stand for, fitted to values by least squares, and the
// block's bytes. Layouts: docs/formats/gguf.md. The choice of scales is ours.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "tessera/kernels/types.h"

namespace tessera {

// Equal parts of a block; a code c of part p stands for scale[p] * c + offset[p].
struct BlockGrid {
  static constexpr int kMostParts = 16, kMostElements = 256;
  int parts = 1, part_elements = 32;
  int least = 0, most = 0;  // codes
  std::array<float, kMostParts> scale{}, offset{};
  // The same as the block stores it: units in 16 bits, and how many of them a part takes.
  float unit = 0, offset_unit = 0;
  std::array<int16_t, kMostParts> units{}, offset_units{};

  int elements() const { return parts * part_elements; }
  // The code nearest to `value` in a part.
  int nearest(int part, float value) const;
  float value(int part, int code) const {
    const auto p = static_cast<size_t>(part);
    return scale[p] * static_cast<float>(code) + offset[p];
  }
};

// q4_0, q4_1, q5_0, q5_1, q4_k, q5_k and q6_k.
bool has_grid(DType type);

// Needs has_grid(type), a block of finite values, and as many weights (finite, >= 0) or none: the
// sum of weight * (value - nearest)^2 is made small. No change of one part's scale or offset of
// q4_k to q6_k by a step makes it smaller.
BlockGrid fit_grid(DType type, std::span<const float> values, std::span<const float> weights = {});

// Writes one block.   codes [grid.elements()], within grid.least .. grid.most
void put_block(DType type, const BlockGrid& grid, std::span<const int8_t> codes, uint8_t* block);

}  // namespace tessera
