// What SentencePiece does to a text before it cuts it: docs/formats/sentencepiece.md.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tessera/tokenizer/charsmap.h"
#include "tessera/tokenizer/parts.h"

namespace tessera {

struct SentencePieceRules {
  std::optional<Charsmap> map;  // the longest string of the map that stands next is replaced
  bool dummy_prefix = true;     // a space in front of a text that is not empty
  bool remove_extra = true;     // spaces at both ends go, several in a row become one
  bool escape = true;           // a space is written U+2581
  // Whether a U+2581 that is there already goes at the ends of a text like a space.
  bool marks_are_spaces = true;
  bool space_as_suffix = false;   // the dummy space stands behind the text
  bool replace_invalid = true;    // a byte that is no UTF-8 becomes U+FFFD
  std::vector<std::string> kept;  // user-defined pieces: they stay as they are
};

std::unique_ptr<Normaliser> sentence_piece_normaliser(SentencePieceRules rules);

}  // namespace tessera
