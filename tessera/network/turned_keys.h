// Single keys that a query sees from places of their own. Turning the query anew for each of them,
// and running a kernel over one key, costs more than a copy of the key: they are gathered, turned
// so that all are seen from one place, and attended to together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tessera/kernels/kernels.h"
#include "tessera/network/layer_view.h"

namespace tessera {

class TurnedKeys {
 public:
  // width: of the view's keys as the kernels want them. Forgets what was added.
  void prepare(int64_t width);
  int64_t size() const { return size_; }
  bool full() const { return size_ == kBlockKeys; }
  // Copies an entry's key, turned by `by` positions, and its value. Needs !full().
  void add(const LayerView& view, int64_t kv_head, int64_t entry, int64_t by);
  // Attention over what was added, in fp32, as kernels().attend() gives it; begin and end of the
  // rows are set. Forgets what was added.   scores: scratch [rows, kChunkKeys]
  void attend(std::span<AttendRow> rows, float softcap, float* scores);

 private:
  int64_t width_ = 0, size_ = 0;
  std::vector<float> keys_, values_;  // [width, kBlockKeys], [kBlockKeys, width]
  std::vector<float> key_;
};

}  // namespace tessera
