// Up to which length a model uses its context: one number for a sweep over lengths.
#pragma once

#include <cstdint>
#include <span>

namespace tessera {

struct LengthScore {
  int64_t length = 0;
  double share = 0;  // found of asked
};

struct EffectiveLength {
  double length = 0;      // 0: not even at the shortest
  bool at_least = false;  // the longest that was tried still passes
};

// The longest length up to which the share is never below the threshold; between the last length
// that passes and the first that fails, where the straight line crosses it. Lengths ascend.
EffectiveLength effective_length(std::span<const LengthScore> scores, double threshold);

}  // namespace tessera
