// Remembers the tokens of short pieces: a table of fixed size that forgets the least recent ones.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "tessera/tokenizer/parts.h"

namespace tessera {

// One thread at a time. 16,384 entries of up to 15 bytes and 4 tokens, 704 KiB.
class WordCache {
 public:
  // Appends the tokens of `piece`; false when they are not known.
  bool find(std::string_view piece, std::vector<ModelToken>& out) const {
    if (piece.size() > kLongest || entries_.empty()) return false;
    Key key = key_of(piece);
    const Entry* ways = entries_.data() + place(key);
    for (size_t w = 0; w < kWays; ++w) {
      if (ways[w].key != key) continue;
      const Entry& e = ways[w];
      uint32_t begin = 0;
      for (size_t i = 0; i < e.count; ++i) {
        out.push_back({e.ids[i], begin, e.ends[i]});
        begin = e.ends[i];
      }
      return true;
    }
    return false;
  }

  // Remembers what can be remembered: few tokens that cover the piece from end to end.
  void insert(std::string_view piece, std::span<const ModelToken> tokens) {
    if (piece.size() > kLongest || tokens.empty() || tokens.size() > kTokens) return;
    Entry entry;
    uint32_t at = 0;
    for (const ModelToken& t : tokens) {
      if (t.begin != at) return;
      at = t.end;
      entry.ids[entry.count] = t.id;
      entry.ends[entry.count++] = static_cast<uint8_t>(t.end);
    }
    if (at != piece.size()) return;
    if (entries_.empty()) entries_.resize(kSets * kWays);
    entry.key = key_of(piece);
    Entry* ways = entries_.data() + place(entry.key);
    std::copy_backward(ways, ways + kWays - 1, ways + kWays);
    ways[0] = entry;
  }

 private:
  static constexpr size_t kLongest = 15, kTokens = 4, kWays = 4, kSets = 4096;
  struct Key {
    uint64_t low = 0, high = 0;  // the top byte of `high` is the length, so no piece has key 0
    bool operator==(const Key&) const = default;
  };
  struct Entry {
    Key key;
    std::array<TokenId, kTokens> ids{};
    std::array<uint8_t, kTokens> ends{};
    uint8_t count = 0;
  };
  static Key key_of(std::string_view piece) {
    std::array<char, 16> bytes{};
    std::memcpy(bytes.data(), piece.data(), piece.size());
    bytes[15] = static_cast<char>(piece.size());
    return std::bit_cast<Key>(bytes);
  }
  static size_t place(const Key& key) {
    uint64_t hash = (key.low ^ std::rotl(key.high, 29) * 0x9E3779B97F4A7C15) * 0xD6E8FEB86659FD93;
    return (hash >> 52) * kWays;
  }
  std::vector<Entry> entries_;
};

}  // namespace tessera
