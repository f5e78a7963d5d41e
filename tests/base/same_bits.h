// Equality of floats as "the same bits" means it: NaN equals NaN, 0 is not -0.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

namespace tessera::test {

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::ranges::equal(a, b, {}, std::bit_cast<uint32_t, float>,
                            std::bit_cast<uint32_t, float>);
}

}  // namespace tessera::test
