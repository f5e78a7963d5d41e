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

#include "tessera/base/mapped_file.h"
#include "tessera/kernels/types.h"

namespace tessera {

// A metadata array, left in the file: strings are read when asked for.
struct GgufArray {
  uint32_t element_type = 0;                 // GGUF's value type number
  uint64_t count = 0;
  std::span<const std::byte> bytes;          // the elements as stored, all bounds checked
};
using GgufValue = std::variant<bool, int64_t, uint64_t, double, std::string_view, GgufArray>;

struct GgufTensor {
  std::string_view name;
  DType type = DType::f32;
  std::vector<int64_t> shape;                // fastest-varying first, as GGUF has it
  std::span<const std::byte> data;
};

class GgufFile {
 public:
  // Maps the file (and the other parts of a split one), checks every length, count and offset
  // before it is believed. Throws Error naming file, field and byte.
  explicit GgufFile(const std::string& path);

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
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  // Null when there is no such tensor.
  const GgufTensor* tensor(std::string_view name) const;
  void release(std::span<const std::byte> part) const;

 private:
  std::string path_;
  uint32_t version_ = 0;
  std::vector<MappedFile> parts_;
  std::map<std::string_view, GgufValue> metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string_view, size_t> index_;
};

}  // namespace tessera
