// Writes SentencePiece `.model` files. Fields: docs/formats/sentencepiece.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/tokenizer/sentence_piece.h"

namespace tessera {

// What such a file says. An id of -1: there is none.
struct SentencePieceModel {
  struct Piece {
    std::string text;
    float score = 0;
    PieceType type = PieceType::normal;
  };
  SentencePieceKind kind = SentencePieceKind::bpe;
  std::vector<Piece> pieces;  // by id
  int64_t unknown = 0, bos = -1, eos = -1, pad = -1;
  std::string unknown_text = " \xE2\x81\x87 ";  // what the unknown piece is when decoded
  std::string normalisation = "identity";       // a name of sentence_piece_map()
  bool dummy_prefix = true, remove_extra = false, space_as_suffix = false;
};

// The bytes of the file. Texts are cut by its pieces as by those that the trainer of the package
// would have written; what was asked of a trainer beyond that is not in it.
std::string sentence_piece_bytes(const SentencePieceModel& model);

}  // namespace tessera
