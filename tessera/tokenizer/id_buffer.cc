#include "tessera/tokenizer/id_buffer.h"

#include <algorithm>
#include <utility>

namespace tessera {
namespace {

// From here on a page table walk costs more than a mapping of its own.
constexpr size_t kLarge = size_t{1} << 18;

}  // namespace

void IdBuffer::append(std::span<const TokenId> ids) {
  std::copy(ids.begin(), ids.end(), room(ids.size()));
  size_ += ids.size();
}

void IdBuffer::grow(size_t n) {
  const size_t wanted = std::max({size_ + n, capacity_ + capacity_ / 2, size_t{64}});
  std::unique_ptr<TokenId[]> small;
  BigBuffer large;
  if (wanted < kLarge) {
    small = std::make_unique_for_overwrite<TokenId[]>(wanted);
  } else {
    large = BigBuffer(static_cast<int64_t>(wanted * sizeof(TokenId)));
  }
  TokenId* to = small ? small.get() : reinterpret_cast<TokenId*>(large.data());
  std::copy_n(data_, size_, to);
  small_ = std::move(small);
  large_ = std::move(large);
  data_ = to;
  capacity_ = wanted;
}

}  // namespace tessera
