// WordPiece: the longest token that a word begins with, then the longest that goes on from there.
#pragma once

#include "tessera/tokenizer/parts.h"
#include "tessera/tokenizer/piece_table.h"

namespace tessera {

struct WordPieceOptions {
  TokenId unknown = 0;                    // for a word that cannot be tiled
  size_t max_input_chars_per_word = 100;  // longer words are unknown
  Reading reading = Reading::utf8;        // byte_level: a word's characters are its bytes
};

// `first`: tokens that can begin a word; `next`: those that continue one, without their prefix.
// Both as the bytes of a word are read.
std::unique_ptr<Model> word_piece_model(PieceTable first, PieceTable next,
                                        std::vector<bool> control, const WordPieceOptions& options);

}  // namespace tessera
