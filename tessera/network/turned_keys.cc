#include "tessera/network/turned_keys.h"

#include <algorithm>

namespace tessera {
namespace {

// Keys that are asked for before they are read: what memory answers at once.
constexpr size_t kAhead = 12;
// Keys that are transposed together: a line of the block is written whole.
constexpr int64_t kTogether = 16;

}  // namespace

int64_t TurnedKeys::load(const LayerView& view, int64_t kv_head, const PlainKeys* plain,
                         std::span<const TurnedKey> list) {
  if (view.width() != width_) {
    width_ = view.width();
    // What lies beyond the head width, and beyond what was loaded, stays finite.
    keys_.assign(static_cast<size_t>(width_ * kBlockKeys), 0.f);
    values_.assign(keys_.size(), 0.f);
  }
  const int64_t head_width = view.head_width();
  const int64_t padded = std::max(width_, plain ? plain->padded() : 0);
  rows_.resize(static_cast<size_t>(kTogether * padded));
  size_ = std::min(static_cast<int64_t>(list.size()), kBlockKeys);
  const auto prefetch = [&](size_t i) {
    if (i >= list.size()) return;
    if (plain) plain->prefetch(list[i].entry);
    view.prefetch_value(kv_head, list[i].entry);
  };
  for (size_t i = 0; i < kAhead; ++i) prefetch(i);
  for (int64_t i = 0; i < size_; ++i) {
    prefetch(static_cast<size_t>(i) + kAhead);
    const TurnedKey& one = list[static_cast<size_t>(i)];
    float* key = rows_.data() + i % kTogether * padded;
    if (plain) {
      plain->load(view.shape().rope, view.shape().interleaved, one.entry,
                  view.position(0) + one.entry - view.first_entry() + one.by, key);
    } else {
      view.key(kv_head, one.entry, key);
      view.turn(key, one.by);
    }
    if ((i + 1) % kTogether == 0 || i + 1 == size_) {
      const int64_t first = i / kTogether * kTogether, n = i + 1 - first;
      for (int64_t d = 0; d < head_width; ++d) {
        float* to = keys_.data() + d * kBlockKeys + first;
        const float* from = rows_.data() + d;
        for (int64_t k = 0; k < n; ++k) to[k] = from[k * padded];
      }
    }
    view.padded_value(kv_head, one.entry, values_.data() + i * width_);
  }
  return size_;
}

void TurnedKeys::attend(std::span<AttendRow> rows, float softcap, float* scores) const {
  for (AttendRow& row : rows) {
    row.begin = 0;
    row.end = size_;
  }
  AttendChunk call;
  call.rows = rows;
  call.keys[0] = keys_.data();
  call.values[0] = values_.data();
  call.type = CacheType::f32;
  call.width = width_;
  call.softcap = softcap;
  call.scores = scores;
  kernels().attend(call);
}

}  // namespace tessera
