#include "tessera/tokenizer/piece_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace tessera {

uint64_t hash_bytes(std::string_view bytes) {
  constexpr uint64_t kPrime = 0x9E3779B97F4A7C15;
  uint64_t hash = bytes.size() * kPrime;
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    hash = (std::rotl(hash, 23) ^ word) * kPrime;
  }
  uint64_t word = 0;
  if (i < bytes.size()) std::memcpy(&word, bytes.data() + i, bytes.size() - i);
  hash = (std::rotl(hash, 23) ^ word) * kPrime;
  return hash ^ hash >> 32;
}

void PieceTable::reserve(size_t pieces, size_t bytes) {
  entries_.reserve(pieces);
  bytes_.reserve(bytes);
  grow(std::bit_ceil(pieces * 2 + 16));
}

void PieceTable::grow(size_t slots) {
  if (slots <= slots_.size()) return;
  slots_.assign(slots, {});
  for (size_t i = 0; i < entries_.size(); ++i) {
    uint64_t hash = hash_bytes(piece(entries_[i]));
    size_t at = hash & (slots - 1);
    while (slots_[at].entry) at = (at + 1) & (slots - 1);
    slots_[at] = {static_cast<uint32_t>(hash >> 32), static_cast<uint32_t>(i + 1)};
  }
}

bool PieceTable::insert(std::string_view text, TokenId id) {
  if ((entries_.size() + 1) * 2 > slots_.size()) grow(std::bit_ceil(entries_.size() * 4 + 16));
  uint64_t hash = hash_bytes(text);
  if (find(text, hash) >= 0) return false;
  size_t at = hash & (slots_.size() - 1);
  while (slots_[at].entry) at = (at + 1) & (slots_.size() - 1);
  entries_.push_back({bytes_.size(), static_cast<uint32_t>(text.size()), id});
  bytes_.append(text);
  slots_[at] = {static_cast<uint32_t>(hash >> 32), static_cast<uint32_t>(entries_.size())};
  if (lengths_.size() <= text.size()) lengths_.resize(text.size() + 1);
  lengths_[text.size()] = true;
  return true;
}

TokenId PieceTable::find(std::string_view text, uint64_t hash) const {
  if (slots_.empty()) return -1;
  auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t at = hash & (slots_.size() - 1); slots_[at].entry;
       at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].tag != tag) continue;
    const Entry& e = entries_[slots_[at].entry - 1];
    if (piece(e) == text) return e.id;
  }
  return -1;
}

void PieceTable::find_all(std::span<const std::string_view> pieces, TokenId* ids) const {
  constexpr size_t kAhead = 64;
  std::array<uint64_t, kAhead> hashes{};
  for (size_t first = 0; first < pieces.size(); first += kAhead) {
    const size_t n = std::min(kAhead, pieces.size() - first);
    for (size_t i = 0; i < n; ++i) {
      hashes[i] = hash_bytes(pieces[first + i]);
      if (!slots_.empty()) __builtin_prefetch(&slots_[hashes[i] & (slots_.size() - 1)]);
    }
    const auto entry = [&](size_t i) -> const Entry* {
      if (slots_.empty()) return nullptr;
      const Slot& slot = slots_[hashes[i] & (slots_.size() - 1)];
      return slot.entry ? &entries_[slot.entry - 1] : nullptr;
    };
    for (size_t i = 0; i < n; ++i) __builtin_prefetch(entry(i));
    for (size_t i = 0; i < n; ++i) {
      if (const Entry* e = entry(i)) __builtin_prefetch(bytes_.data() + e->offset);
    }
    for (size_t i = 0; i < n; ++i) ids[first + i] = find(pieces[first + i], hashes[i]);
  }
}

}  // namespace tessera
