// Zeroed memory that begins on a cache line: what is as wide as one crosses none, whether a
// register is loaded from it or it is asked for ahead.
#pragma once

#include <cstddef>
#include <vector>

namespace tessera {

class AlignedBytes {
 public:
  AlignedBytes() = default;
  // In whole lines.
  explicit AlignedBytes(size_t bytes) : lines_((bytes + sizeof(Line) - 1) / sizeof(Line)) {}

  std::byte* data() { return reinterpret_cast<std::byte*>(lines_.data()); }
  const std::byte* data() const { return reinterpret_cast<const std::byte*>(lines_.data()); }

 private:
  struct alignas(64) Line {
    std::byte bytes[64] = {};
  };
  std::vector<Line> lines_;
};

}  // namespace tessera
