// What a context policy may look at: the queries and keys of one layer during a pass.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tessera/network/kv_store.h"
#include "tessera/network/policy.h"
#include "tessera/network/rope.h"

namespace tessera {

// What is the same for every query of a layer.
struct AttendShape {
  int64_t layer = 0;
  int64_t store_layer = 0;  // encoders use one store for all layers
  int64_t heads = 0, kv_heads = 0, head_width = 0;
  int64_t window = 0;        // 0: none
  float scale = 1;           // on the query
  float rotary_scale = 1;    // further factor on its rotated dimensions
  int64_t rotary_width = 0;  // 0: this layer does not rotate
  bool interleaved = false;
  float softcap = 0;
  const RopeTable* rope = nullptr;
  std::vector<float> slopes;  // ALiBi, [heads]; empty: none
};

// A query head turned by `turn` positions more than it already is, scaled for the inner product
// with keys.   q [head_width]   out [width], width >= head_width, the rest zero
void load_query(const AttendShape& shape, const float* q, int64_t turn, float* out, int64_t width);

// A view is valid during the call that it is given to. Its functions may be called by several
// threads at once.
class LayerView {
 public:
  //   q [rows, stride], heads beside each other, rotated at `positions`
  LayerView(const AttendShape& shape, const KvStore& store, const float* q, int64_t stride,
            std::span<const int32_t> positions, int64_t first_entry, int64_t dropped)
      : shape_(shape),
        store_(store),
        q_(q),
        stride_(stride),
        positions_(positions),
        first_entry_(first_entry),
        dropped_(dropped) {}

  int64_t layer() const { return shape_.layer; }
  int64_t heads() const { return shape_.heads; }
  int64_t kv_heads() const { return shape_.kv_heads; }
  int64_t group() const { return shape_.heads / shape_.kv_heads; }
  int64_t head_width() const { return shape_.head_width; }
  // Head width as the kernels want it: a multiple of 16, the rest zero.
  int64_t width() const { return store_.shape().padded(); }
  int64_t rows() const { return static_cast<int64_t>(positions_.size()); }
  // Row 0 is entry first_entry() of the past and token first_entry() + dropped() of the text.
  int64_t first_entry() const { return first_entry_; }
  int64_t first_token() const { return first_entry_ + dropped_; }
  int64_t entries() const { return first_entry_ + rows(); }
  int64_t position(int64_t row) const { return positions_[static_cast<size_t>(row)]; }
  float scale() const { return shape_.scale; }

  // The query of a row and head, turned by `turn` positions more and scaled.   out [width()]
  void query(int64_t row, int64_t head, int64_t turn, float* out) const {
    load_query(shape_, q_ + row * stride_ + head * shape_.head_width, turn, out, width());
  }
  // As the network computed it: rotated, not scaled.   [head_width()]
  const float* raw_query(int64_t row, int64_t head) const {
    return q_ + row * stride_ + head * shape_.head_width;
  }
  // Turns a key or an unscaled query in place.   head [head_width()]
  void turn(float* head, int64_t by) const;
  // The stored key of an entry, rotated at its position.   out [head_width()]
  void key(int64_t kv_head, int64_t entry, float* out) const;
  // The stored value of an entry.   out [head_width()]
  void value(int64_t kv_head, int64_t entry, float* out) const;
  // The same as the cache holds it, not for q8 (width() numbers), and asking for it.
  const std::byte* value_at(int64_t kv_head, int64_t entry) const {
    return store_.block(shape_.store_layer, kv_head, entry / kBlockKeys)->values +
           entry % kBlockKeys * width() * cache_bytes(store_.shape().type);
  }
  // Inlined at once: GCC drops calls of functions that it finds to do nothing else.
  [[gnu::always_inline]] void prefetch_value(int64_t kv_head, int64_t entry) const {
    const std::byte* at = value_at(kv_head, entry);
    for (int64_t i = 0; i < width() * cache_bytes(store_.shape().type); i += 64) {
      __builtin_prefetch(at + i);
    }
  }
  const AttendShape& shape() const { return shape_; }
  const KvStore& store() const { return store_; }
  // Scores as attention has them before its softmax, of entries begin .. end - 1.
  //   queries [n, width()], n <= kAttendRows   out [n, stride], entry `begin` at column 0
  void score(int64_t kv_head, const float* queries, int64_t n, int64_t begin, int64_t end,
             float* out, int64_t stride) const;

 private:
  const AttendShape& shape_;
  const KvStore& store_;
  const float* q_;
  int64_t stride_;
  std::span<const int32_t> positions_;
  int64_t first_entry_, dropped_;
};

}  // namespace tessera
