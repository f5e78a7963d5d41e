// Finds weights that are no numbers while they are packed, before they can spoil an answer.
#pragma once

#include <cstddef>

#include "tessera/kernels/packing.h"

namespace tessera {

// Whether all weights of a packed group of 16 rows are finite: every value of a plain packing,
// every scale and minimum of the others.   group [packed_bytes(packing, kGroupRows, columns)]
bool is_finite_group(Packing packing, int64_t columns, const std::byte* group);

}  // namespace tessera
