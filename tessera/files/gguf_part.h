// One GGUF file on its own, checked: what gguf.cc puts together to a model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/files/gguf.h"

namespace tessera {

struct GgufPart {
  uint32_t version = 0;
  std::map<std::string_view, GgufValue> metadata;
  std::vector<GgufEntry> entries;
  std::vector<GgufTensor> tensors;
};

// Reads header, metadata and tensor table of `bytes`; every view points into them. Throws Error
// naming `name`, the field and its byte.
GgufPart read_gguf_part(std::span<const std::byte> bytes, const std::string& name);

}  // namespace tessera
