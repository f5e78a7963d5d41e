// The precompiled map of SentencePiece's normaliser: strings and what they become, in a
// double-array trie. Layout: docs/formats/sentencepiece.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

class Charsmap {
 public:
  // Throws Error naming `where` and the byte of a fault: a size that is not the map's, a way
  // that leads back to where it came from or is too long, a replacement outside of the text of
  // replacements or without an end.
  Charsmap(std::string_view bytes, const std::string& where);

  struct Match {
    size_t length = 0;  // of the string; 0: none
    std::string_view replacement;
  };
  // The longest, and the shortest, string of the map that `text` begins with.
  Match longest(std::string_view text) const { return find(text, false); }
  Match shortest(std::string_view text) const { return find(text, true); }
  // Whether some string of the map begins with `text`.
  bool begins(std::string_view text) const;

 private:
  Match find(std::string_view text, bool first) const;
  void check(const std::string& where) const;

  std::vector<uint32_t> units_;
  std::string text_;  // replacements, each with a zero byte behind it
};

}  // namespace tessera
