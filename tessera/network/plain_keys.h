// Keys as they were before their rotation, beside a cache that holds them rotated: for choosing by
// content wherever a key stands, and for attending to single keys from places of their own. A key
// is 16 bits a number in two halves. The upper halves lie together: a choice may read them alone,
// half of what the cache's own keys take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tessera/base/aligned_bytes.h"
#include "tessera/network/layer_view.h"

namespace tessera {

class PlainKeys {
 public:
  explicit PlainKeys(int64_t head_width = 0)
      : head_width_(head_width), width_((head_width + 31) / 32 * 32) {}

  int64_t size() const { return size_; }
  // Appends the entries of a view that are not held yet. Entry e stands at position(0) + e -
  // first_entry().
  void follow(const LayerView& view, int64_t kv_head);
  // Inner products with keys begin .. end - 1, by their upper halves or, `exact`, by both.
  //   queries [n, stride of at least the head width]   out [n, end - begin]
  void score(const float* queries, int64_t n, int64_t stride, int64_t begin, int64_t end,
             bool exact, float* out) const;
  // A key turned by `by` positions.   out [padded()]
  void load(const RopeTable* rope, bool interleaved, int64_t entry, int64_t by, float* out) const;
  // Asks for what load() reads.
  void prefetch(int64_t entry) const;
  // The head width as load() writes it.
  int64_t padded() const { return width_; }
  int64_t bytes() const { return bytes_for(size_); }
  int64_t bytes_for(int64_t keys) const {
    return (keys + kBlockKeys - 1) / kBlockKeys * block_bytes();
  }

 private:
  // A block: upper halves [kBlockKeys, width], lower halves, scales [kBlockKeys].
  int64_t block_bytes() const {
    return kBlockKeys * (2 * width_ + static_cast<int64_t>(sizeof(float)));
  }
  const int8_t* codes(int64_t block) const {
    return reinterpret_cast<const int8_t*>(blocks_[static_cast<size_t>(block)].data());
  }
  const float* scales(int64_t block) const {
    return reinterpret_cast<const float*>(codes(block) + 2 * kBlockKeys * width_);
  }
  void append(const float* key);

  int64_t head_width_ = 0, width_ = 0, size_ = 0;
  std::vector<AlignedBytes> blocks_;
};

}  // namespace tessera
