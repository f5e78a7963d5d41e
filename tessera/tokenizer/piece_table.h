// A hash table from byte strings to ids that stores the strings one after another: a vocabulary of
// 256,000 pieces is built in milliseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

uint64_t hash_bytes(std::string_view bytes);

class PieceTable {
 public:
  void reserve(size_t pieces, size_t bytes);
  // Gives false, and changes nothing, when the piece is there already.
  bool insert(std::string_view piece, TokenId id);
  // -1 when there is none.
  TokenId find(std::string_view piece) const { return find(piece, hash_bytes(piece)); }
  TokenId find(std::string_view piece, uint64_t hash) const;
  // The same for many pieces, whose memory is fetched while others are compared.   ids [pieces]
  void find_all(std::span<const std::string_view> pieces, TokenId* ids) const;
  size_t size() const { return entries_.size(); }
  // Calls f(piece, id) for each.
  template <class F>
  void each(const F& f) const {
    for (const Entry& e : entries_) f(piece(e), e.id);
  }
  size_t longest() const { return lengths_.empty() ? 0 : lengths_.size() - 1; }
  // Whether any piece has `length` bytes.
  bool has_length(size_t length) const { return length < lengths_.size() && lengths_[length]; }

 private:
  struct Entry {
    uint64_t offset;
    uint32_t length;
    TokenId id;
  };
  std::string_view piece(const Entry& e) const {
    return std::string_view(bytes_).substr(e.offset, e.length);
  }
  void grow(size_t slots);

  std::string bytes_;
  std::vector<Entry> entries_;
  struct Slot {
    uint32_t tag = 0;
    uint32_t entry = 0;  // number + 1; 0: free
  };
  std::vector<Slot> slots_;
  std::vector<bool> lengths_;
};

}  // namespace tessera
