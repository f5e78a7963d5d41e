// A model file with its matrices in another type.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "tessera/files/gguf.h"
#include "tessera/files/rounding.h"
#include "tessera/kernels/types.h"

namespace tessera {

struct RetypeOptions {
  DType type = DType::q8_0;  // of matrices; can_quantise(type) must hold
  // Of matrices that get a type with a grid (block_grid.h); null: all as quantise() does.
  Rounding rounding = {};
  // Bytes of the old file that are done, now and then.
  std::function<void(int64_t)> progress = {};
};

struct Retyped {
  int64_t tensors = 0, changed = 0;  // all of them, and those whose type is another now
  uint64_t bytes_before = 0, bytes = 0;
  double error = 0;  // root mean square of what changed in matrices, relative to their values
};

// The type that a tensor of `shape` (GGUF's order) gets when matrices are asked for as `asked`:
// where rows are no multiple of 256, q4_k, q5_k and q6_k become q5_0, q5_1 and q8_0.
DType written_type(std::string_view name, std::span<const int64_t> shape, DType stored,
                   DType asked);
// llama.cpp's number for "mostly this type" (general.file_type).
uint32_t file_type_number(DType type);
// Throws Error for a type that is not written.
void expect_written(DType type);

// Writes all metadata of `file`, and all tensors: matrices as `type`, vectors,
// routers of experts and what has no whole blocks as they are. The tables of tokens (token_embd,
// output), which every answer passes, get no type below eight bits: q8_0 then. The new file is read
// back and compared before this returns; on failure none is left. Throws Error naming the tensor
// for a type that cannot be read and for weights that are no finite numbers.
Retyped retype_gguf(const GgufFile& file, const std::string& path, const RetypeOptions& options);

}  // namespace tessera
