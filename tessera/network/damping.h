// Attention whose weights a policy changes after the softmax (ContextPolicy::dampen), without a map
// of it: the damped entries and the others are gathered apart, and their results mixed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tessera/network/policy.h"

namespace tessera {

// The runs without the entries of `damped`, which is a part of them. Both ascend.
void take_out(std::span<const Run> runs, std::span<const Run> damped, std::vector<Run>& rest);

// Mixes what a query gathered from damped entries into what it gathered from the rest. A side is
// the largest score, the sum of exp(score - largest), and the values summed with these weights. If
// the damped entries have the share m of all attention, their mean value counts factor * m and that
// of the rest 1 - factor * m; where 1 - m < 1e-6, both count as before. Afterwards the mean value
// is weighted / total.   damped, weighted [width]
void join_damped(float factor, float damped_maximum, float damped_total, const float* damped,
                 int64_t width, float maximum, float& total, float* weighted);

}  // namespace tessera
