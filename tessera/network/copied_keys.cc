#include "tessera/network/copied_keys.h"

#include <cstring>

namespace tessera {
namespace {

// Column `from` of a block's keys over column `to` of another's.
template <class Number>
void copy_column(const std::byte* source, int64_t from, std::byte* target, int64_t to,
                 int64_t width) {
  const auto* in = reinterpret_cast<const Number*>(source) + from;
  auto* out = reinterpret_cast<Number*>(target) + to;
  for (int64_t d = 0; d < width; ++d) out[d * kBlockKeys] = in[d * kBlockKeys];
}

}  // namespace

void CopiedKeys::put(const LayerView& view, int64_t kv_head, int64_t place, int64_t entry) {
  if (size_ == 0) {
    width_ = view.width();
    type_ = view.store().shape().type;
    half_ = view.store().shape().half_bytes();
  }
  // Places that are not filled take part in sums with weight zero: they are zeros, or older keys.
  if (place / kBlockKeys == static_cast<int64_t>(blocks_.size())) {
    blocks_.emplace_back(static_cast<size_t>(2 * half_));
  }
  std::byte* keys = blocks_[static_cast<size_t>(place / kBlockKeys)].data();
  const KvBlock* from = view.store().block(view.shape().store_layer, kv_head, entry / kBlockKeys);
  const int64_t at = place % kBlockKeys, source = entry % kBlockKeys;
  if (type_ == CacheType::f32) {
    copy_column<float>(from->keys, source, keys, at, width_);
  } else {
    copy_column<uint16_t>(from->keys, source, keys, at, width_);
  }
  const auto line = static_cast<size_t>(width_ * cache_bytes(type_));
  std::memcpy(keys + half_ + static_cast<size_t>(at) * line,
              from->values + static_cast<size_t>(source) * line, line);
  size_ = std::max(size_, place + 1);
}

void CopiedKeys::assign(const LayerView& view, int64_t kv_head, std::span<const int32_t> entries) {
  size_ = 0;
  for (const int32_t entry : entries) put(view, kv_head, size_, entry);
}

void CopiedKeys::fill(AttendChunk& call, int64_t chunk) const {
  call.type = type_;
  for (int64_t b = 0; b < kChunkBlocks; ++b) {
    const auto block = static_cast<size_t>(chunk * kChunkBlocks + b);
    const bool held = static_cast<int64_t>(block) * kBlockKeys < size_;
    call.keys[b] = held ? blocks_[block].data() : nullptr;
    call.values[b] = held ? blocks_[block].data() + half_ : nullptr;
  }
}

int64_t CopiedKeys::bytes() const { return static_cast<int64_t>(blocks_.size()) * 2 * half_; }

}  // namespace tessera
