// What pairs of neighbouring tokens become, and in which order: the merges of a BPE as a hash
// table.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "tessera/tokenizer/bpe.h"

namespace tessera {

inline constexpr uint32_t kNoRank = std::numeric_limits<uint32_t>::max();

struct Joined {
  uint32_t rank = kNoRank;  // lower ones are applied first; kNoRank: the pair does not join
  TokenId result = -1;
};

// Most pairs that are asked for do not join: a bit or two a pair, small enough for the second-level
// cache, answers for nearly all of them.
class PairTable {
 public:
  // Of two merges for one pair the last counts.
  explicit PairTable(std::span<const BpeMerge> merges);

  Joined find(TokenId left, TokenId right) const {
    if (packed_) {
      const uint32_t rank = find_packed(left, right);
      return rank == kNoRank ? Joined{} : Joined{rank, result_of(rank)};
    }
    return find_wide(left, right);
  }

  // Where ids fit 20 bits, ranks 24, and a rank names one result, which is so for nearly all files,
  // a merge is one word: the pair and the rank.
  bool packed() const { return packed_; }
  // Needs packed(). The rank, or kNoRank.
  uint32_t find_packed(TokenId left, TokenId right) const {
    const uint64_t pair = static_cast<uint64_t>(left) << 20 | static_cast<uint64_t>(right);
    const uint64_t hash = hash_of(pair);
    if (!filtered(hash)) return kNoRank;
    for (size_t at = hash & (words_.size() - 1);; at = (at + 1) & (words_.size() - 1)) {
      if (words_[at] >> 24 == pair) return static_cast<uint32_t>(words_[at] & 0xFFFFFF);
      if (words_[at] == kFree) return kNoRank;
    }
  }
  TokenId result_of(uint32_t rank) const { return results_[rank]; }

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};
  struct Slot {
    uint64_t pair = kFree;
    Joined joined;
  };

  static uint64_t hash_of(uint64_t pair) {
    const uint64_t mixed = pair * 0x9E3779B97F4A7C15;
    return (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93;
  }
  bool filtered(uint64_t hash) const {
    const size_t bit = hash >> filter_shift_;
    return (filter_[bit >> 6] >> (bit & 63) & 1) != 0;
  }
  bool pack(std::span<const BpeMerge> merges);
  void pass_filter(uint64_t hash) {
    const size_t bit = hash >> filter_shift_;
    filter_[bit >> 6] |= uint64_t{1} << (bit & 63);
  }
  Joined find_wide(TokenId left, TokenId right) const;

  bool packed_ = false;
  int filter_shift_ = 0;
  std::vector<uint64_t> words_;   // packed: pair (40 bits), rank (24)
  std::vector<TokenId> results_;  // packed: by rank
  std::vector<Slot> slots_;       // else
  std::vector<uint64_t> filter_;
};

}  // namespace tessera
