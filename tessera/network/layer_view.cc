#include "tessera/network/layer_view.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "tessera/kernels/half.h"
#include "tessera/kernels/kernels.h"

namespace tessera {

void load_query(const AttendShape& shape, const float* q, int64_t turn, float* out, int64_t width) {
  std::memcpy(out, q, static_cast<size_t>(shape.head_width) * sizeof(float));
  std::fill(out + shape.head_width, out + width, 0.f);
  if (turn != 0 && shape.rope) {
    const int64_t p = std::abs(turn);
    rotate(out, shape.rope->cosines(p), shape.rope->sines(p), shape.rope->pairs(),
           shape.interleaved, turn > 0 ? 1.f : -1.f);
  }
  for (int64_t d = 0; d < shape.rotary_width; ++d) out[d] *= shape.rotary_scale;
  for (int64_t d = 0; d < shape.head_width; ++d) out[d] *= shape.scale;
}

void LayerView::turn(float* head, int64_t by) const {
  if (by == 0 || !shape_.rope) return;
  const int64_t p = std::abs(by);
  rotate(head, shape_.rope->cosines(p), shape_.rope->sines(p), shape_.rope->pairs(),
         shape_.interleaved, by > 0 ? 1.f : -1.f);
}

void LayerView::key(int64_t kv_head, int64_t entry, float* out) const {
  store_.read_key(shape_.store_layer, kv_head, entry, out);
}

void LayerView::value(int64_t kv_head, int64_t entry, float* out) const {
  const std::byte* values = store_.block(shape_.store_layer, kv_head, entry / kBlockKeys)->values;
  const int64_t at = entry % kBlockKeys * width();
  if (store_.shape().type == CacheType::f32) {
    std::copy_n(reinterpret_cast<const float*>(values) + at, head_width(), out);
    return;
  }
  const auto* from = reinterpret_cast<const uint16_t*>(values) + at;
  const int64_t width = head_width();
  if (store_.shape().type == CacheType::f16) {
    for (int64_t d = 0; d < width; ++d) out[d] = half_to_float(from[d]);
  } else {
    for (int64_t d = 0; d < width; ++d) out[d] = bfloat_to_float(from[d]);
  }
}

void LayerView::score(int64_t kv_head, const float* queries, int64_t n, int64_t begin, int64_t end,
                      float* out, int64_t stride) const {
  float scores[kAttendRows * kChunkKeys];
  AttendRow rows[kAttendRows];
  for (int64_t i = 0; i < n; ++i) rows[i].query = queries + i * width();
  for (int64_t b = begin / kBlockKeys; b * kBlockKeys < end; ++b) {
    const KvBlock* block = store_.block(shape_.store_layer, kv_head, b);
    const int64_t from = std::max(begin, b * kBlockKeys), to = std::min(end, (b + 1) * kBlockKeys);
    if (block) {
      kernels().score(rows, n, block->keys, store_.shape().type, width(), scores);
    } else {
      std::fill_n(scores, kAttendRows * kChunkKeys, -INFINITY);
    }
    for (int64_t i = 0; i < n; ++i) {
      const float* have = scores + i * kChunkKeys + (from - b * kBlockKeys);
      float* want = out + i * stride + (from - begin);
      std::copy_n(have, to - from, want);
      if (shape_.softcap != 0) {
        kernels().softcap(want, shape_.softcap, to - from, want);
      }
    }
  }
}

}  // namespace tessera
