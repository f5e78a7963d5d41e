// Entries of one layer and KV head, copied together as the cache holds them: those of a list that
// serves many tokens, which would otherwise be picked out of the whole cache again each time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tessera/kernels/kernels.h"
#include "tessera/network/layer_view.h"

namespace tessera {

class CopiedKeys {
 public:
  int64_t size() const { return size_; }
  // Copies of the entries of a list in their order, in place of what was there.
  void assign(const LayerView& view, int64_t kv_head, std::span<const int32_t> entries);
  // One more, or another entry in a place.   place: 0 .. size()
  void put(const LayerView& view, int64_t kv_head, int64_t place, int64_t entry);
  // Sets the blocks of chunk `chunk` (places kChunkKeys * chunk ..) in a call.
  void fill(AttendChunk& call, int64_t chunk) const;
  int64_t bytes() const;
  // Of as many entries.   half: half_block_bytes() of the cache
  static int64_t bytes_for(int64_t entries, int64_t half) {
    return (entries + kBlockKeys - 1) / kBlockKeys * 2 * half;
  }

 private:
  int64_t size_ = 0, width_ = 0, half_ = 0;
  CacheType type_ = CacheType::f32;
  std::vector<std::vector<std::byte>> blocks_;  // keys [width, kBlockKeys], values the other way
};

}  // namespace tessera
