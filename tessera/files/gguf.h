// Reads GGUF files, versions 2 and 3, also split ones. Format: docs/formats/gguf.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/kernels/types.h"

namespace tessera {

// A metadata array, left in the file: strings are read when asked for.
struct GgufArray {
  uint32_t element_type = 0;  // GGUF's value type number
  uint64_t count = 0;
  std::span<const std::byte> bytes;  // the elements as stored, all bounds checked
};
using GgufValue = std::variant<bool, int64_t, uint64_t, double, std::string_view, GgufArray>;

// A metadata entry as stored: what a writer needs to copy it unchanged.
struct GgufEntry {
  std::string_view key;
  uint32_t type = 0;                 // GGUF's value type number
  std::span<const std::byte> bytes;  // the value, without key and type
};

struct GgufTensor {
  std::string_view name;
  DType type = DType::f32;
  std::vector<int64_t> shape;  // fastest-varying first, as GGUF has it
  std::span<const std::byte> data;
};

class GgufFile {
 public:
  // Maps the file (and the other parts of a split one), checks every length, count and offset
  // before it is believed. Throws Error naming file, field and byte.
  explicit GgufFile(const std::string& path);
  // The same over bytes in memory, which must outlive this object; `name` stands for the path in
  // errors. A split file is refused.
  GgufFile(std::span<const std::byte> bytes, const std::string& name);

  uint32_t version() const { return version_; }
  const std::string& path() const { return path_; }
  // std::nullopt when the key is not there.
  std::optional<GgufValue> find(std::string_view key) const;
  // Typed look-ups: std::nullopt when absent, Error naming the key when of another type or range.
  std::optional<int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string_view> string(std::string_view key) const;
  // Arrays, empty when absent. Views live as long as this file.
  std::vector<std::string_view> strings(std::string_view key) const;
  std::vector<int64_t> integers(std::string_view key) const;
  std::vector<float> numbers(std::string_view key) const;

  const std::map<std::string_view, GgufValue>& metadata() const { return metadata_; }
  // The same in the order of the file (of the first part of a split one).
  const std::vector<GgufEntry>& entries() const { return entries_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  // Bytes of all parts.
  uint64_t file_bytes() const { return file_bytes_; }
  // Null when there is no such tensor.
  const GgufTensor* tensor(std::string_view name) const;
  // Tells the kernel that these bytes of a tensor will not be read again soon.
  void release(std::span<const std::byte> part) const;

 private:
  void read_part(std::span<const std::byte> bytes, const std::string& name, bool first);
  void read_split(const std::string& path);
  Error wrong_type(std::string_view key, std::string_view wanted) const;

  std::string path_;
  uint32_t version_ = 0;
  std::vector<MappedFile> parts_;
  std::map<std::string_view, GgufValue> metadata_;
  std::vector<GgufEntry> entries_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string_view, size_t> index_;
  uint64_t file_bytes_ = 0;
};

}  // namespace tessera
