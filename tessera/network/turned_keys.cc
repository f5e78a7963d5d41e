#include "tessera/network/turned_keys.h"

namespace tessera {

void TurnedKeys::prepare(int64_t width) {
  size_ = 0;
  if (width == width_) return;
  width_ = width;
  // What lies beyond the head width, and beyond what was added, stays finite.
  keys_.assign(static_cast<size_t>(width * kBlockKeys), 0.f);
  values_.assign(keys_.size(), 0.f);
}

void TurnedKeys::add(const LayerView& view, int64_t kv_head, int64_t entry, int64_t by) {
  const int64_t head_width = view.head_width();
  key_.resize(static_cast<size_t>(head_width));
  view.key(kv_head, entry, key_.data());
  view.turn(key_.data(), by);
  float* to = keys_.data() + size_;
  for (const float x : key_) {
    *to = x;
    to += kBlockKeys;
  }
  view.value(kv_head, entry, values_.data() + size_ * width_);
  ++size_;
}

void TurnedKeys::attend(std::span<AttendRow> rows, float softcap, float* scores) {
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
  size_ = 0;
}

}  // namespace tessera
