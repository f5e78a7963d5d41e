// Writes safetensors files. Format: docs/formats/safetensors.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/base/atomic_file.h"
#include "tessera/kernels/types.h"

namespace tessera {

// First the table of tensors, then each tensor's bytes in the table's order, as they are made. The
// file appears with finish().
class SafetensorsWriter {
 public:
  explicit SafetensorsWriter(const std::string& path) : file_(path), path_(path) {}

  void set_metadata(const std::string& key, const std::string& value) { metadata_[key] = value; }
  // Declares a tensor.   shape: slowest-varying first
  // Throws Error for a type that the format does not have (the quantised ones), and for a name that
  // is there already.
  void declare(std::string_view name, DType type, std::span<const int64_t> shape);
  // The next bytes of the tensors' data. The first call ends the declarations.
  void write(std::span<const std::byte> bytes);
  // Throws Error when bytes are missing.
  void finish();

 private:
  void write_header();

  struct Row {
    std::string name, type;
    std::vector<int64_t> shape;
    uint64_t begin, end;
  };
  AtomicFile file_;
  std::string path_;
  std::map<std::string, std::string> metadata_;
  std::vector<Row> rows_;
  uint64_t declared_ = 0, written_ = 0;
  bool header_written_ = false;
};

}  // namespace tessera
