// Anonymous memory for weights and scratch: zeroed, aligned to 2 MB, on huge pages where the system
// grants them (asked for before the first touch, which is what counts).
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera {

class BigBuffer {
 public:
  BigBuffer() = default;
  // Throws std::bad_alloc.
  explicit BigBuffer(int64_t bytes);
  BigBuffer(BigBuffer&& other) noexcept;
  BigBuffer& operator=(BigBuffer&& other) noexcept;
  ~BigBuffer();

  std::byte* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  void* mapping_ = nullptr;
  size_t mapped_ = 0;
  int64_t size_ = 0;
};

}  // namespace tessera
