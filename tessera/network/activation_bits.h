// How finely what goes into quantised matrices is rounded.
#pragma once

#include <cstdint>

#include "tessera/files/checkpoint.h"
#include "tessera/kernels/packing.h"

namespace tessera {

enum class ActivationBits : uint8_t {
  mixed,    // 8 where that is hardly seen in the answer: into gates, up, and the attention's output
  fifteen,  // everywhere; the answer is that of fp32
  eight,    // everywhere
};

// What goes into the weights of `part`.
constexpr Activations activations_into(Part part, ActivationBits bits) {
  const bool coarse = part == Part::gate || part == Part::up || part == Part::attention_output;
  const bool eight = bits == ActivationBits::eight || (bits == ActivationBits::mixed && coarse);
  return eight ? Activations::eight_bits : Activations::fifteen_bits;
}

}  // namespace tessera
