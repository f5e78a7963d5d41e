// Remembers the ids of units of text (words, or what lies between two borders that no token
// crosses) in a table of fixed size. Units are looked up by the hundred: keys first, so that the
// memory is on its way when the comparisons come, and each length class in a loop of its own, so
// that branches can be foreseen.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "tessera/base/big_buffer.h"
#include "tessera/kernels/unit_table.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// One thread at a time. 9 MiB, of which a short text touches little.
class UnitCache {
 public:
  // What is known of a unit: up to three ids, or a place among the longer lists.
  using Value = uint64_t;
  static constexpr Value kUnknown = kNoValue;
  // Ids must lie below.
  static constexpr TokenId kMostIds = 1 << 20;
  // Units that find() takes at a time.
  static constexpr size_t kBatch = UnitBatch::kMost;
  // Longer units are never remembered.
  static constexpr size_t kLongest = 255;

  UnitCache();

  // Unit i is text[starts[i], starts[i + 1]).   starts [n + 1], values [n], n <= kBatch
  // Bytes up to `readable` may be read.
  void find(std::string_view text, const char* readable, const uint32_t* starts, size_t n,
            Value* values) const;
  // `part`: a part of a word, which is kept apart from a word of the same bytes.
  Value find(std::string_view unit, bool part) const;
  // Remembers the unit if its length and number of ids allow it.
  Value insert(std::string_view unit, bool part, std::span<const TokenId> ids);

  // How many ids, when they are held in the value; else more than 3.
  static size_t count(Value v) { return v >> 60; }
  // Writes the three ids that a value holds, of which count() are meant.
  static void put(Value v, TokenId* to) {
    to[0] = static_cast<TokenId>(v & kMask);
    to[1] = static_cast<TokenId>(v >> 20 & kMask);
    to[2] = static_cast<TokenId>(v >> 40 & kMask);
  }
  // The ids of a value that holds a place; false when they have been overwritten or were unknown.
  bool listed(Value v, std::span<const TokenId>& ids) const;

 private:
  static constexpr uint64_t kMask = (1 << 20) - 1;
  static constexpr int kShortBits = 14, kMediumBits = 14, kLongBits = 14;
  static constexpr size_t kIds = size_t{1} << 19, kBytes = size_t{1} << 21;

  struct LongEntry {
    uint64_t hash;
    Value value;
    uint64_t at;  // of its bytes, counted from the first that were ever written
    uint64_t length;
  };
  struct LongSet {
    std::array<LongEntry, kUnitWays> entries;
  };

  Value find_long(std::string_view unit, bool part) const;
  static uint64_t long_hash(std::string_view unit, bool part);
  Value value_of(std::span<const TokenId> ids);

  BigBuffer memory_;
  ShortSet* shorts_ = nullptr;
  MediumSet* mediums_ = nullptr;
  LongSet* longs_ = nullptr;
  TokenId* ids_ = nullptr;
  char* bytes_ = nullptr;
  uint64_t ids_written_ = 0, bytes_written_ = 0;
};

}  // namespace tessera
