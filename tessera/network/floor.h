// What this machine can do with one thing alone, for comparison with what a network reaches.
#pragma once

#include <cstddef>
#include <span>

#include "tessera/network/linear_stage.h"

namespace tessera {

// Bytes a second at which the pool's threads read `bytes` and do nothing with them; the best of 3.
double reading_speed(std::span<const std::byte> bytes);

// Multiply-adds a second of the pool's threads on a few groups of the stage's first matrix, which
// stay in the cache, for kTileTokens rows; the best of 5. Needs the rows that the stage reads to
// have memory.
double multiplying_speed(const LinearStage& stage);

}  // namespace tessera
