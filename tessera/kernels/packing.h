// How weights and activations lie in memory for the matrix kernels.
//
// A weight matrix [rows, columns] is cut into groups of 16 rows, and a group into blocks of 32
// columns; a group's blocks follow one another, so that a kernel reads one sequential stream and
// finishes 16 results at once, one a lane, without horizontal sums:
//
//   nibbles         4 x 64 B codes | 16 x f16 scale | 16 x f16 minimum              320 B
//   bytes           8 x 64 B codes | 16 x f32 scale                                 576 B
//   bytes_min       8 x 64 B codes | 16 x f32 scale | 16 x f32 minimum              640 B
//   bytes_half      8 x 64 B codes | 2 x 16 x f32 scale                             640 B
//   bytes_half_min  8 x 64 B codes | 2 x 16 x f32 scale | 2 x 16 x f32 minimum      768 B
//   f32, f16, bf16  for each column 16 values, without blocks
//
// Byte 4r + i of code line j belongs to row r: its low nibble to column 4j + i and its high nibble
// to column 16 + 4j + i; in the byte formats it is the code of column 4j + i plus 128. A weight is
// code * scale + minimum; "half" formats have a scale for each 16 columns. Rows beyond the matrix
// are padded with zero scales.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tessera/kernels/types.h"

namespace tessera {

enum class Packing : uint8_t {
  f32,
  f16,
  bf16,
  nibbles,
  bytes,
  bytes_min,
  bytes_half,
  bytes_half_min
};

inline constexpr int64_t kGroupRows = 16;
inline constexpr int64_t kBlockColumns = 32;
// Tokens that one pass over a group of weights serves: as many accumulators as registers hold.
inline constexpr int64_t kTileTokens = 12;

// Whether activations are quantised to 8 bits for this packing.
constexpr bool takes_quantised(Packing p) { return p >= Packing::nibbles; }

struct PackedMatrix {
  Packing packing = Packing::f32;
  int64_t rows = 0, columns = 0;
  const std::byte* data = nullptr;  // groups() * group_bytes()

  int64_t groups() const { return (rows + kGroupRows - 1) / kGroupRows; }
  int64_t group_bytes() const;
};

// The packing that serves a stored type, which keeps its values exactly, but for f64 (rounded to
// f32) and for the 6-bit scales of q4_k (products rounded to f16).
Packing packing_of(DType type);
int64_t packed_bytes(Packing packing, int64_t rows, int64_t columns);

// Repacks up to 16 rows into one group at `out`.
//   rows   pointers to `count` stored rows of `columns` elements (a multiple of the type's block)
void pack_group(DType type, Packing packing, std::span<const std::byte* const> rows,
                int64_t columns, std::byte* out);
// The same for rows already in fp32; packing f32 only.
void pack_group_f32(std::span<const float* const> rows, int64_t columns, float* out);

// How finely activations are quantised for the packings that take it.
enum class Activations : uint8_t {
  eight_bits,    // one code of -127 .. 127
  fifteen_bits,  // 128 * a + b, two codes: errors of fp32's size in the answer, twice the products
};

// A tile of up to kTileTokens quantised activations, block by block of 32 columns:
//
//   8 x tokens dwords: the codes of columns 4j .. 4j + 3 of each token (the codes a)
//   tokens x f32: scale        tokens x f32: scale * sum of the values in units of scale
//   2 x tokens x i32: sums of the codes of the first and the last 16 columns
//   and for fifteen bits 8 x tokens dwords of codes b and 2 x tokens of their sums
//
// A level without an instruction for the sum of four products of bytes has "wide" tiles: fifteen
// bits as 16-bit whole numbers, columns 4j and 4j + 2 in the place of codes a, 4j + 1 and 4j + 3 in
// that of codes b, their sums in the place of those of a. A tile is read by the level that made it.
constexpr int64_t tile_block_words(Activations a, int64_t tokens) {
  return (a == Activations::fifteen_bits ? 22 : 12) * tokens;
}
constexpr int64_t tile_bytes(Activations a, int64_t tokens, int64_t columns) {
  return columns / kBlockColumns * tile_block_words(a, tokens) * 4;
}

// What a matrix kernel reads of its activations.
struct ActivationTile {
  int64_t tokens = 0;                    // 1 .. kTileTokens
  const std::byte* quantised = nullptr;  // tile_bytes(activations, tokens, columns)
  Activations activations = Activations::fifteen_bits;
  const float* plain = nullptr;  // [tokens, plain_stride], for f32, f16, bf16
  int64_t plain_stride = 0;
};

}  // namespace tessera
