// Reads safetensors files, single ones and folders of shards. Format: docs/formats/safetensors.md.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tessera/base/mapped_file.h"
#include "tessera/files/stored_tensor.h"

namespace tessera {

// The header of one file, checked whole: known types, shapes whose product is the size, offsets
// that neither overlap nor leave a hole and end with the file. Views point into `bytes`. Throws
// Error naming `name` and the tensor.
struct SafetensorsHeader {
  std::vector<StoredTensor> tensors;  // in the order of their offsets
  std::map<std::string, std::string> metadata;
};
SafetensorsHeader read_safetensors(std::span<const std::byte> bytes, const std::string& name);

class Safetensors final : public TensorFiles {
 public:
  // One file, or an index (model.safetensors.index.json) whose shards stand beside it.
  explicit Safetensors(const std::string& path);
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  void release(std::span<const std::byte> part) const override;

 private:
  void add(const std::string& path);
  void read_index(const std::string& path);

  std::vector<MappedFile> files_;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace tessera
