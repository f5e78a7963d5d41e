// Rotary position embedding: cosines and sines of every position, and their stretching beyond the
// trained window.
#pragma once

#include <cstdint>
#include <vector>

#include "tessera/files/model_description.h"

namespace tessera {

// Angles of one kind of layer (base, scaling). Positions are added on demand by ensure(), which
// must not run beside readers.
class RopeTable {
 public:
  // width: rotated dimensions, even. `context`: the model's window.
  RopeTable(double theta, int64_t width, const RopeScaling& scaling, int64_t context);

  void ensure(int64_t positions);
  int64_t pairs() const { return static_cast<int64_t>(frequencies_.size()); }
  // Cosines and sines of position `p`.   [pairs]
  const float* cosines(int64_t p) const { return cosines_.data() + p * pairs(); }
  const float* sines(int64_t p) const { return sines_.data() + p * pairs(); }
  // Factor on q.k of the rotated dimensions (YaRN and longrope lengthen both vectors).
  double score_factor() const { return factor_ * factor_; }
  const std::vector<double>& frequencies() const { return frequencies_; }

 private:
  std::vector<double> frequencies_;  // radians a position, [pairs]
  double factor_ = 1;
  std::vector<float> cosines_, sines_;
};

// Rotates a head in place.   head [at least 2 * pairs]
//   interleaved  pairs are (2i, 2i + 1) instead of (i, i + pairs)
//   direction    +1 or -1
void rotate(float* head, const float* cosines, const float* sines, int64_t pairs, bool interleaved,
            float direction = 1);

// ALiBi's slope of head `h` of `heads` (Press et al. 2021, section 3; other head counts than powers
// of two interleave the slopes of the next one, as the reference implementation does).
double alibi_slope(int64_t h, int64_t heads);

}  // namespace tessera
