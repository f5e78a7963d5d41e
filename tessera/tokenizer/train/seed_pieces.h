// Where a Unigram model begins: all characters, and the strings that stand in several places.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace tessera {

// Words as characters, one after another, each followed by kEnd.
struct SpelledWords {
  static constexpr char32_t kEnd = 0;  // characters are their code points + 1
  // Plus a code point: the character behind a word in its text, written in front of kEnd. A word
  // that stands in front of different ones is there once for each.
  static constexpr char32_t kFollowed = 0x110001;
  static constexpr char32_t kMostFollowed = 0x1FFFFF;
  static bool ends(char32_t symbol) { return symbol == kEnd || symbol >= kFollowed; }
  std::vector<char32_t> text;
  std::vector<size_t> begins;   // of words
  std::vector<int64_t> counts;  // of words

  // Needs code points. `followed`: kEnd, or kFollowed to kMostFollowed.
  void add(std::span<const char32_t> codes, int64_t count, char32_t followed = kEnd);
};

struct SeedPiece {
  uint32_t begin, length;     // one place where it stands in the words' text, in characters
  double score;               // what it would save: occurrences times length
  std::vector<uint32_t> all;  // every place
};

struct SeedRules {
  bool by_count = false;  // a word's count counts, not the word once
  // Texts are seen as bytes of UTF-8: what is always followed by the same byte is no seed.
  bool by_bytes = false;
  // Whether code points may be a piece; null: any may.
  std::function<bool(std::span<const char32_t> codes)> allowed = {};
};

// Characters first, the most frequent in front; then substrings of 2 to `longest` characters that
// stand in two places at least and are not always followed by the same character (or end, or what
// stands behind the word), by occurrences in `words` (each word once) times length; equals by
// greater code points. At most `most` in all, and all characters. Source: Kudo 2018, arXiv
// 1804.10959, section 3.2; order as in the package tokenizers. O(n log n) for n characters.
std::vector<SeedPiece> seed_pieces(const SpelledWords& words, size_t longest, size_t most,
                                   const SeedRules& rules = {});

}  // namespace tessera
