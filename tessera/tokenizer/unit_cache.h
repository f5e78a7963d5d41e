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
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// One thread at a time. 8 MiB, of which a short text touches little.
class UnitCache {
 public:
  // What is known of a unit: up to three ids, or a place among the longer lists.
  using Value = uint64_t;
  static constexpr Value kUnknown = ~Value{0};
  // Ids must lie below.
  static constexpr TokenId kMostIds = 1 << 20;
  // Units that find() takes at a time.
  static constexpr size_t kBatch = 256;
  // Longer units are never remembered.
  static constexpr size_t kLongest = 255;

  UnitCache();

  // Unit i is text[starts[i], starts[i + 1]).   starts [n + 1], values [n], n <= kBatch
  // Bytes up to `readable` may be read.
  void find(const char* text, const char* readable, const uint32_t* starts, size_t n,
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
  static constexpr size_t kWays = 4;
  static constexpr int kShortBits = 14, kMediumBits = 14, kLongBits = 14;
  static constexpr size_t kIds = size_t{1} << 18, kBytes = size_t{1} << 21;

  struct Key {
    uint64_t low, high;
    bool operator==(const Key&) const = default;
  };
  struct ShortSet {  // one line: units of up to 7 bytes
    std::array<uint64_t, kWays> keys;
    std::array<Value, kWays> values;
  };
  struct MediumSet {  // up to 15 bytes
    std::array<Key, kWays> keys;
    std::array<Value, kWays> values;
  };
  struct LongEntry {
    uint64_t hash;
    Value value;
    uint64_t at;  // of its bytes, counted from the first that were ever written
    uint64_t length;
  };
  struct LongSet {
    std::array<LongEntry, kWays> entries;
  };

  static uint64_t short_key(uint64_t bytes, size_t length, bool part);
  static Key medium_key(uint64_t low, uint64_t high, size_t length, bool part);
  static size_t short_place(uint64_t key) { return key * kFactor >> (64 - kShortBits); }
  static size_t medium_place(const Key& key) {
    return (key.low * kFactor ^ key.high * kFactor2) * kFactor >> (64 - kMediumBits);
  }
  static Value probe(const ShortSet& set, uint64_t key);
  static Value probe(const MediumSet& set, const Key& key);
  Value find_long(std::string_view unit, bool part) const;
  static uint64_t long_hash(std::string_view unit, bool part);
  Value value_of(std::span<const TokenId> ids);

  static constexpr uint64_t kFactor = 0x9E3779B97F4A7C15, kFactor2 = 0xD6E8FEB86659FD93;

  BigBuffer memory_;
  ShortSet* shorts_ = nullptr;
  MediumSet* mediums_ = nullptr;
  LongSet* longs_ = nullptr;
  TokenId* ids_ = nullptr;
  char* bytes_ = nullptr;
  uint64_t ids_written_ = 0, bytes_written_ = 0;
};

}  // namespace tessera
