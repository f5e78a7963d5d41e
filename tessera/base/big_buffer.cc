#include "tessera/base/big_buffer.h"

#include <new>
#include <utility>

#include <sys/mman.h>

namespace tessera {
namespace {

constexpr size_t kHugePage = 2 << 20;

}  // namespace

BigBuffer::BigBuffer(int64_t bytes) : size_(bytes) {
  if (bytes <= 0) return;
  const bool large = static_cast<size_t>(bytes) >= kHugePage;
  mapped_ = static_cast<size_t>(bytes) + (large ? kHugePage : 0);
  mapping_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping_ == MAP_FAILED) {
    mapping_ = nullptr;
    throw std::bad_alloc();
  }
  auto at = reinterpret_cast<uintptr_t>(mapping_);
  if (large) {
    at = (at + kHugePage - 1) / kHugePage * kHugePage;
    madvise(reinterpret_cast<void*>(at), static_cast<size_t>(bytes), MADV_HUGEPAGE);
  }
  data_ = reinterpret_cast<std::byte*>(at);
}

BigBuffer::BigBuffer(BigBuffer&& other) noexcept { *this = std::move(other); }

BigBuffer& BigBuffer::operator=(BigBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  std::swap(size_, other.size_);
  return *this;
}

BigBuffer::~BigBuffer() {
  if (mapping_) munmap(mapping_, mapped_);
}

}  // namespace tessera
