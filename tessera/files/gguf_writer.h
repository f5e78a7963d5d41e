// Writes GGUF version 3, little-endian. Format: docs/formats/gguf.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/base/atomic_file.h"
#include "tessera/files/gguf.h"
#include "tessera/kernels/types.h"

namespace tessera {

// First all metadata and the table of tensors, then each tensor's bytes in the table's order, as
// they are made: nothing but the header is held in memory. The file appears with finish().
class GgufWriter {
 public:
  explicit GgufWriter(const std::string& path) : file_(path), path_(path) {}

  // Metadata. A key twice is the caller's mistake.
  void set(std::string_view key, bool value);
  void set(std::string_view key, uint32_t value);
  void set(std::string_view key, int32_t value);
  void set(std::string_view key, uint64_t value);
  void set(std::string_view key, float value);
  void set(std::string_view key, std::string_view value);
  // A string literal would otherwise become a bool.
  void set(std::string_view key, const char* value) { set(key, std::string_view(value)); }
  void set(std::string_view key, std::span<const std::string_view> values);
  void set(std::string_view key, std::span<const int32_t> values);
  void set(std::string_view key, std::span<const float> values);
  // An entry of another file, unchanged.
  void copy(const GgufEntry& entry);

  // Declares a tensor.   shape: fastest-varying first, as GGUF has it
  // Needs shape[0] to be a multiple of the type's block.
  void declare(std::string_view name, DType type, std::span<const int64_t> shape);

  // The next bytes of the tensors' data. The first call ends metadata and declarations.
  void write(std::span<const std::byte> bytes);
  // Throws Error when a tensor's bytes are missing.
  void finish();

 private:
  void entry(std::string_view key, uint32_t type, std::string_view value);
  void write_header();
  void pad();

  AtomicFile file_;
  std::string path_, metadata_, table_;
  uint64_t keys_ = 0, tensors_ = 0, alignment_ = 32, offset_ = 0;
  std::vector<uint64_t> sizes_;  // bytes of each tensor
  size_t current_ = 0;           // tensor that is being written
  uint64_t written_ = 0;         // its bytes so far
  bool header_written_ = false;
};

}  // namespace tessera
