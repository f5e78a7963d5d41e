// A tensor as a file stores it, whatever the file's format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tessera/kernels/types.h"

namespace tessera {

struct StoredTensor {
  std::string name;
  DType type = DType::f32;
  std::vector<int64_t> shape;  // slowest-varying first, as in Python
  std::span<const std::byte> data;
};

// "[49152, 576]"
std::string shape_text(std::span<const int64_t> shape);

// Files that own the bytes of stored tensors.
class TensorFiles {
 public:
  virtual ~TensorFiles() = default;
  // Tells the kernel that these bytes will not be read again soon.
  virtual void release(std::span<const std::byte> part) const = 0;
};

}  // namespace tessera
