// SentencePiece's kinds word and char: pieces are looked up, nothing is chosen.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tessera/tokenizer/parts.h"
#include "tessera/tokenizer/piece_table.h"

namespace tessera {

struct PieceLookupOptions {
  bool words = false;              // a piece begins at every U+2581; else it is one character
  std::vector<std::string> whole;  // characters apart, these are found first, the longest first
  std::optional<TokenId> unknown;  // neighbours that are no piece are one of these
  std::vector<TokenId> byte_tokens = {};  // or, if there are 256 entries, their bytes' tokens
};

std::unique_ptr<Model> piece_lookup_model(PieceTable pieces, PieceLookupOptions options);

}  // namespace tessera
