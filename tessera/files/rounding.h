// How the rows of a matrix become a type of fewer bits, where a caller knows better than nearest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "tessera/kernels/types.h"

namespace tessera {

// Writes whole rows of one matrix; called by many threads at once, must not throw.
//   values [rows, columns], finite     out [bytes_of(type, rows * columns)]
using RowRounder =
    std::function<void(DType type, std::span<const float> values, std::span<std::byte> out)>;

// The rounder of a matrix, by the name of its tensor in the source file and, where a tensor holds
// one matrix for each expert, its number among them (else 0). An empty one: quantise().
using Rounding = std::function<RowRounder(std::string_view tensor, int64_t number)>;

}  // namespace tessera
