// Borders that no token crosses. Every merge gives a token that stands contiguously in the text, so
// that a place between two characters that no token contains side by side is never merged across:
// both sides can be encoded apart, for any list of merges. The test looks at the two characters
// only; where it is not sure it says no, which lengthens a stretch and changes no id.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tessera/kernels/text_masks.h"
#include "tessera/text/utf8.h"

namespace tessera {

class Borders {
 public:
  // A character for the text's space, so that U+2581 and the space are the same (SentencePiece).
  explicit Borders(bool marks_are_spaces);

  // A token that merges may give; before finish(). Tokens may begin and end inside a character.
  void add(std::string_view token);

  void finish();

  // Appends `at`, a border itself, and the borders behind it, as offsets from the text's first
  // byte, until about `bytes` have been passed; gives the last one, which is not appended, or the
  // text's size. Bytes that are no characters are never separated from their neighbours.
  size_t cut(std::string_view text, size_t at, size_t bytes, std::vector<uint32_t>& starts) const;
  // The first border of `text` when `front`, one ASCII character, stands in front of it; may be 0.
  size_t next(std::string_view front, std::string_view text) const;

 private:
  // How much of the characters around a place a token holds.
  enum Kind : uint64_t { kBoth = 0, kLeftEnd = 1, kRightStart = 2, kPieces = 3 };
  static constexpr int kBits = 20;

  static size_t place(Kind kind, uint64_t left, uint64_t right) {
    return ((left << 24 ^ right << 2 ^ kind) * 0x9E3779B97F4A7C15) >> (64 - kBits);
  }
  void mark(Kind kind, uint64_t left, uint64_t right) {
    const size_t at = place(kind, left, right);
    pairs_[at >> 6] |= uint64_t{1} << (at & 63);
  }
  bool marked(Kind kind, uint64_t left, uint64_t right) const {
    const size_t at = place(kind, left, right);
    return (pairs_[at >> 6] >> (at & 63) & 1) != 0;
  }
  bool crossed(const Unit& left, char left_end, const Unit& right, char right_start) const;
  char32_t code_of(char32_t code) const { return spaces_ && code == 0x2581 ? U' ' : code; }

  void plain_block(std::string_view text, size_t at, std::vector<uint32_t>& starts) const;

  bool spaces_;
  bool partial_ = false;  // some token begins or ends inside a character
  std::array<std::array<uint64_t, 2>, 128> ascii_{};
  std::vector<uint64_t> pairs_;
  PairGroups groups_;  // covers ascii_
};

}  // namespace tessera
