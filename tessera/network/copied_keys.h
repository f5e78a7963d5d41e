// Entries of one layer and KV head, copied together as the cache holds them. Those of a list that
// serves many tokens would otherwise be picked out of the whole cache again each time; keys that
// are to be seen from places of their own are turned on the way, so that all are seen from one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tessera/base/aligned_bytes.h"
#include "tessera/kernels/kernels.h"
#include "tessera/network/layer_view.h"
#include "tessera/network/plain_keys.h"

namespace tessera {

// An entry whose key is turned by `by` positions.
struct TurnedKey {
  int64_t entry = 0, by = 0;
};

// Keys that are placed together when they are turned.
inline constexpr int64_t kPlacedTogether = 16;

class CopiedKeys {
 public:
  int64_t size() const { return size_; }
  // Copies of the entries of a list in their order, in place of what was there.
  void assign(const LayerView& view, int64_t kv_head, std::span<const int32_t> entries);
  // The same with their keys turned.   plain: un-rotated keys of the list's entries, or null for
  // the cache's
  void assign(const LayerView& view, int64_t kv_head, const PlainKeys* plain,
              std::span<const TurnedKey> list);
  // The same in places first .. of what is held.   first: a multiple of kPlacedTogether; behind
  // the list, places up to the next multiple lose what they held
  void replace(const LayerView& view, int64_t kv_head, const PlainKeys* plain,
               std::span<const TurnedKey> list, int64_t first);
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
  // Empties what is held, and gives back blocks of another cache's form.
  void begin(const LayerView& view);
  std::byte* block_of(int64_t place);
  void copy_value(const LayerView& view, int64_t kv_head, int64_t place, int64_t entry);

  int64_t size_ = 0, width_ = 0, half_ = 0;
  CacheType type_ = CacheType::f32;
  std::vector<AlignedBytes> blocks_;  // keys [width, kBlockKeys], values the other way
};

}  // namespace tessera
