#include "tessera/network/copied_keys.h"

#include <algorithm>
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

// Keys that are asked for before they are read: what memory answers at once.
constexpr size_t kAhead = 12;
}  // namespace

void CopiedKeys::begin(const LayerView& view) {
  const KvShape& shape = view.store().shape();
  if (width_ != view.width() || type_ != shape.type) blocks_.clear();
  width_ = view.width();
  type_ = shape.type;
  half_ = shape.half_bytes();
  size_ = 0;
}

// Places that are not filled take part in sums with weight zero: they are zeros, or older keys.
std::byte* CopiedKeys::block_of(int64_t place) {
  const auto block = static_cast<size_t>(place / kBlockKeys);
  if (block == blocks_.size()) blocks_.emplace_back(static_cast<size_t>(2 * half_));
  return blocks_[block].data();
}

void CopiedKeys::copy_value(const LayerView& view, int64_t kv_head, int64_t place, int64_t entry) {
  const auto line = static_cast<size_t>(width_ * cache_bytes(type_));
  std::memcpy(block_of(place) + half_ + static_cast<size_t>(place % kBlockKeys) * line,
              view.value_at(kv_head, entry), line);
}

void CopiedKeys::put(const LayerView& view, int64_t kv_head, int64_t place, int64_t entry) {
  if (size_ == 0) begin(view);
  const KvBlock* from = view.store().block(view.shape().store_layer, kv_head, entry / kBlockKeys);
  std::byte* keys = block_of(place);
  const int64_t at = place % kBlockKeys, source = entry % kBlockKeys;
  if (type_ == CacheType::f32) {
    copy_column<float>(from->keys, source, keys, at, width_);
  } else {
    copy_column<uint16_t>(from->keys, source, keys, at, width_);
  }
  copy_value(view, kv_head, place, entry);
  size_ = std::max(size_, place + 1);
}

void CopiedKeys::assign(const LayerView& view, int64_t kv_head, std::span<const int32_t> entries) {
  begin(view);
  for (const int32_t entry : entries) put(view, kv_head, size_, entry);
}

void CopiedKeys::assign(const LayerView& view, int64_t kv_head, const PlainKeys* plain,
                        std::span<const TurnedKey> list) {
  begin(view);
  replace(view, kv_head, plain, list, 0);
}

void CopiedKeys::replace(const LayerView& view, int64_t kv_head, const PlainKeys* plain,
                         std::span<const TurnedKey> list, int64_t first) {
  const int64_t padded = std::max(width_, plain ? plain->padded() : 0);
  // What was placed before may be placed again beyond the last key: it is finite.
  thread_local std::vector<float> rows;
  rows.resize(static_cast<size_t>(kPlacedTogether * padded));
  const auto prefetch = [&](size_t i) {
    if (i >= list.size()) return;
    if (plain) plain->prefetch(list[i].entry);
    view.prefetch_value(kv_head, list[i].entry);
  };
  for (size_t i = 0; i < kAhead; ++i) prefetch(i);
  const auto n = static_cast<int64_t>(list.size());
  for (int64_t i = 0; i < n; ++i) {
    prefetch(static_cast<size_t>(i) + kAhead);
    const TurnedKey& one = list[static_cast<size_t>(i)];
    float* key = rows.data() + i % kPlacedTogether * padded;
    if (plain) {
      plain->load(view.shape().rope, view.shape().interleaved, one.entry,
                  view.position(0) + one.entry - view.first_entry() + one.by, key);
    } else {
      view.key(kv_head, one.entry, key);
      view.turn(key, one.by);
    }
    copy_value(view, kv_head, first + i, one.entry);
    if ((i + 1) % kPlacedTogether == 0 || i + 1 == n) {
      const int64_t place = first + i / kPlacedTogether * kPlacedTogether;
      kernels().place_keys(type_, rows.data(), padded, width_, block_of(place), place % kBlockKeys);
    }
  }
  size_ = std::max(size_, first + n);
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
