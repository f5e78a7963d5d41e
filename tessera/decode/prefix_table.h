// Beginnings of texts whose pasts are kept, so that the next text with the same beginning starts
// behind it. Found by a chain of hashes, one each kPrefixTokens ids, and compared id by id.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "tessera/network/network.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// Beginnings are kept and found in multiples of it: those of the cache's blocks, so that a fork
// there copies nothing.
inline constexpr int64_t kPrefixTokens = 64;

class PrefixTable {
 public:
  // Keeps at most `capacity` pasts, those that were asked for last. 0: none.
  explicit PrefixTable(int64_t capacity) : capacity_(capacity) {}

  // Keeps a fork of `past`, which has seen `ids`. Does nothing for a past that cannot be cut, and
  // for ids that a kept one begins with.
  void add(std::span<const TokenId> ids, const Past& past);
  // A fork that has seen the longest kept beginning of `ids`, at least one id less than all of
  // them; null when there is none.
  std::unique_ptr<Past> find(std::span<const TokenId> ids);
  // Length of what find() gives.
  int64_t length_of(std::span<const TokenId> ids) const;
  // Lets go of the one that was asked for longest ago. false: none is kept.
  bool drop_oldest();
  int64_t size() const { return static_cast<int64_t>(entries_.size()); }

 private:
  struct Entry {
    std::vector<TokenId> ids;      // a multiple of kPrefixTokens
    std::vector<uint64_t> hashes;  // after each kPrefixTokens ids
    std::unique_ptr<Past> past;
  };
  using Place = std::list<Entry>::iterator;
  struct Found {
    Place entry;
    int64_t length;
  };
  bool look_up(std::span<const TokenId> ids, Found& found) const;
  void forget(Place entry);
  void enter(Place entry);

  int64_t capacity_;
  std::list<Entry> entries_;  // the one that was asked for last in front
  std::unordered_map<uint64_t, Place> by_hash_;
};

}  // namespace tessera
