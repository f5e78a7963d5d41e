// What context policies are written on: scoring, pooling, choosing the best, and runs of what was
// chosen. Attention over the chosen keys is the network's (AttendStage).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tessera/base/aligned_bytes.h"
#include "tessera/kernels/kernels.h"
#include "tessera/network/layer_view.h"

namespace tessera {

// Vectors in the layout of cached keys, so that the same kernel scores them: un-rotated copies of
// keys, bounds of pages, summaries of chunks.
class KeyBlocks {
 public:
  // width: a multiple of 16. Throws nothing; memory grows by blocks of kBlockKeys vectors.
  explicit KeyBlocks(int64_t width, CacheType type = CacheType::f16) : width_(width), type_(type) {}

  int64_t size() const { return size_; }
  // Adds a vector; what lies beyond `key` up to the width is zero.   key [at most width]
  void append(std::span<const float> key);
  // Inner products with vectors begin .. end - 1.
  //   queries [n, width], n <= kAttendRows   out [n, stride], vector `begin` at column 0
  void score(const float* queries, int64_t n, int64_t begin, int64_t end, float* out,
             int64_t stride) const;
  int64_t bytes() const { return bytes_for(size_); }
  int64_t bytes_for(int64_t vectors) const;

 private:
  int64_t width_;
  CacheType type_;
  int64_t size_ = 0;
  std::vector<AlignedBytes> blocks_;  // [width, kBlockKeys] each
};

// Bytes of a vector that grew to `size` elements of `each` bytes: its room may be twice that.
constexpr int64_t grown_bytes(int64_t size, size_t each) {
  return 2 * size * static_cast<int64_t>(each);
}

// Attention weights of every query head of a group over entries 0 .. end - 1: the softmax, in fp32,
// of the scores that attention computes.   out [view.group(), end]
void attention_rows(const LayerView& view, int64_t kv_head, int64_t row, int64_t end,
                    std::vector<float>& out);

// One score an entry out of a group's: the largest, the mean or the sum.
//   rows [n, columns]   out [columns]
enum class Join : uint8_t { largest, mean, sum, first };
Join join_of(const std::string& name);
void join_rows(Join how, std::span<const float> rows, int64_t n, std::span<float> out);

// Largest value within `kernel` (odd) places around each one; no wrapping, nothing beyond the ends.
void pool_largest(std::span<const float> in, int64_t kernel, std::span<float> out);

// The k best of a list. Keeps scratch between calls; one object a thread.
class BestOf {
 public:
  // Indices of the k largest scores, ascending; of equal ones the lower indices. All when there are
  // no more than k. k >= 0.
  void choose(std::span<const float> scores, int64_t k, std::vector<int32_t>& out);

 private:
  std::array<int32_t, 2048> counts_{};
  struct Candidate {
    uint32_t rank;
    int32_t index;
  };
  std::vector<Candidate> border_;
};

// The `budget` entries that stay: the newest `newest` ones, and of the others those whose score,
// pooled, is largest. Ascending.   scores [entries], pooled in place
void best_with_newest(std::span<float> scores, int64_t pool, int64_t budget, int64_t newest,
                      std::vector<int32_t>& out);

// Adds entry ranges to runs that are seen from `query_position`, joining neighbours.
void add_run(std::vector<Run>& runs, int64_t begin, int64_t end, int64_t query_position);

// Shared refusals. Each throws Error naming the policy.
// Models whose positions are not rotations in every layer, or whose layers have windows.
void need_plain_rotary(const Geometry& g, const std::string& policy);
void need_odd_pool(int64_t pool, const std::string& policy);

}  // namespace tessera
