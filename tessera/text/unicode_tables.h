// Character classes, decompositions and lower case as the Python package tokenizers sees them; the
// tables are generated (scripts/generate_unicode.py). Look-ups for general use are in unicode.h.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace tessera::unicode {

struct Range {
  char32_t first, last;  // both included
  bool operator==(const Range&) const = default;
};

// Sorted, disjoint ranges. Names: the general categories ("Lu"), some scripts ("Han"), "word" and
// "space" (\w and \s of regular expressions), and the classes of single rules ("bert_removed").
// "grapheme_..": text/graphemes.cc.
struct NamedSet {
  std::string_view name;
  std::span<const Range> ranges;
};
std::span<const NamedSet> named_sets();

// The code points that one code point becomes: pool_table()[offset .. offset + length).
struct Mapping {
  char32_t from;
  uint16_t offset;
  uint8_t length;
};
std::span<const Mapping> canonical_table();   // NFD, without Hangul syllables
std::span<const Mapping> compatible_table();  // NFKD where it differs from NFD
std::span<const Mapping> lower_table();
std::span<const char32_t> pool_table();

struct Composition {
  char32_t first, second, composed;
};
std::span<const Composition> compositions_table();

struct ClassRange {
  char32_t first, last;
  uint8_t number;
};
std::span<const ClassRange> combining_table();
// Scripts, numbered from 1 on in no order; kana count as Han. What is not listed goes with any.
std::span<const ClassRange> scripts_table();

}  // namespace tessera::unicode
