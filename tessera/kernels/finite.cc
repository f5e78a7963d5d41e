#include "tessera/kernels/finite.h"

#include <cstdint>
#include <cstring>

namespace tessera {
namespace {

constexpr uint32_t kFloat = 0x7F800000, kBfloat = 0x7F80, kHalf = 0x7C00;  // exponents all ones

// Whether none of `count` numbers has all bits of `exponent`. Without a branch, 64 at a time: the
// compiler turns it into vector instructions.
template <class Word>
bool all_finite(const std::byte* p, int64_t count, uint32_t exponent) {
  const auto mask = static_cast<Word>(exponent);
  for (int64_t i = 0; i < count; i += 64) {
    Word words[64] = {};
    const int64_t n = count - i < 64 ? count - i : 64;
    std::memcpy(words, p + i * static_cast<int64_t>(sizeof(Word)),
                static_cast<size_t>(n) * sizeof(Word));
    Word found = 0;
    for (const Word w : words) found |= static_cast<Word>((w & mask) == mask);
    if (found) return false;
  }
  return true;
}

}  // namespace

bool is_finite_group(Packing packing, int64_t columns, const std::byte* group) {
  if (!takes_quantised(packing)) {
    const int64_t values = columns * kGroupRows;
    if (packing == Packing::f32) return all_finite<uint32_t>(group, values, kFloat);
    return all_finite<uint16_t>(group, values, packing == Packing::f16 ? kHalf : kBfloat);
  }
  const int64_t block = packed_bytes(packing, kGroupRows, kBlockColumns);
  const int64_t codes = packing == Packing::nibbles ? 4 * 64 : 8 * 64;  // bytes before the scales
  for (int64_t b = 0; b < columns / kBlockColumns; ++b, group += block) {
    const std::byte* scales = group + codes;
    const int64_t bytes = block - codes;
    const bool finite = packing == Packing::nibbles
                            ? all_finite<uint16_t>(scales, bytes / 2, kHalf)
                            : all_finite<uint32_t>(scales, bytes / 4, kFloat);
    if (!finite) return false;
  }
  return true;
}

}  // namespace tessera
