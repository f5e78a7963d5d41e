// Single keys that a query sees from places of their own. Turning the query anew for each of them,
// and running a kernel over one key, costs more than a copy of the key: they are gathered, turned
// so that all are seen from one place, and attended to together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tessera/kernels/kernels.h"
#include "tessera/network/layer_view.h"
#include "tessera/network/plain_keys.h"

namespace tessera {

// An entry whose key is turned by `by` positions.
struct TurnedKey {
  int64_t entry = 0, by = 0;
};

class TurnedKeys {
 public:
  // The first keys of a list, and their values, in place of those that were there; gives how many:
  // at most kBlockKeys.   plain: un-rotated keys of the list's entries, or null for the cache's
  int64_t load(const LayerView& view, int64_t kv_head, const PlainKeys* plain,
               std::span<const TurnedKey> list);
  // Attention over what was loaded, in fp32, as kernels().attend() gives it; begin and end of the
  // rows are set.   scores: scratch [rows, kChunkKeys]
  void attend(std::span<AttendRow> rows, float softcap, float* scores) const;

 private:
  int64_t width_ = 0, size_ = 0;
  std::vector<float> keys_, values_;  // [width, kBlockKeys], [kBlockKeys, width]
  std::vector<float> rows_;           // keys on the way there
};

}  // namespace tessera
