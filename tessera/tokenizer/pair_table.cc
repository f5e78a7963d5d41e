#include "tessera/tokenizer/pair_table.h"

#include <algorithm>
#include <bit>

namespace tessera {

PairTable::PairTable(std::span<const BpeMerge> merges) {
  const int bits = std::clamp(static_cast<int>(std::bit_width(merges.size() * 8)), 12, 22);
  filter_shift_ = 64 - bits;
  filter_.resize((size_t{1} << bits) / 64);
  const size_t size = std::bit_ceil(merges.size() + merges.size() / 2 + 16);
  words_.assign(size, kFree);
  packed_ = pack(merges);
  if (packed_) return;
  words_ = {};
  results_ = {};
  slots_.resize(size);
  for (const BpeMerge& m : merges) {
    const uint64_t pair =
        static_cast<uint64_t>(static_cast<uint32_t>(m.left)) << 32 | static_cast<uint32_t>(m.right);
    const uint64_t hash = hash_of(pair);
    pass_filter(hash);
    size_t at = hash & (size - 1);
    while (slots_[at].pair != kFree && slots_[at].pair != pair) at = (at + 1) & (size - 1);
    slots_[at] = {pair, {m.rank, m.result}};
  }
}

// False when the merges do not fit.
bool PairTable::pack(std::span<const BpeMerge> merges) {
  constexpr TokenId kIds = 1 << 20;
  constexpr uint32_t kRanks = (1 << 24) - 1;
  for (const BpeMerge& m : merges) {
    // Ranks count merges, so that they size no table that the merges would not.
    if (std::max({m.left, m.right, m.result}) >= kIds || m.rank >= kRanks) return false;
    if (m.rank >= results_.size()) {
      if (m.rank > merges.size()) return false;
      results_.resize(std::max<size_t>(merges.size(), m.rank + size_t{1}), -1);
    }
    TokenId& result = results_[m.rank];
    if (result >= 0 && result != m.result) return false;
    result = m.result;
    const uint64_t pair = static_cast<uint64_t>(m.left) << 20 | static_cast<uint64_t>(m.right);
    const uint64_t hash = hash_of(pair);
    pass_filter(hash);
    size_t at = hash & (words_.size() - 1);
    while (words_[at] != kFree && words_[at] >> 24 != pair) at = (at + 1) & (words_.size() - 1);
    words_[at] = pair << 24 | m.rank;
  }
  return true;
}

Joined PairTable::find_wide(TokenId left, TokenId right) const {
  const uint64_t pair =
      static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  const uint64_t hash = hash_of(pair);
  if (!filtered(hash)) return {};
  for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].pair == pair) return slots_[at].joined;
    if (slots_[at].pair == kFree) return {};
  }
}

}  // namespace tessera
