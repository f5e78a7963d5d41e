// A growing array of ids for those who write many of them: room is asked for first and counted
// afterwards, nothing is cleared, and large arrays lie on huge pages.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "tessera/base/big_buffer.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

class IdBuffer {
 public:
  std::span<const TokenId> ids() const { return {data_, size_}; }
  size_t size() const { return size_; }
  // Keeps its memory.
  void clear() { size_ = 0; }
  // Where the next `n` ids may be written; valid until the next call that is not const.
  TokenId* room(size_t n) {
    if (capacity_ - size_ < n) grow(n);
    return data_ + size_;
  }
  // The first `n` ids of what room() gave have been written.
  void written(size_t n) { size_ += n; }
  void push(TokenId id) {
    *room(1) = id;
    ++size_;
  }
  void append(std::span<const TokenId> ids);
  // Forgets all but the first `n` <= size() ids.
  void shorten(size_t n) { size_ = n; }

 private:
  void grow(size_t n);

  TokenId* data_ = nullptr;
  size_t size_ = 0, capacity_ = 0;
  std::unique_ptr<TokenId[]> small_;
  BigBuffer large_;
};

}  // namespace tessera
