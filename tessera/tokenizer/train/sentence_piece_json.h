// A SentencePiece model as a tokenizer.json, the way in which other programs convert them.
#pragma once

#include <string>

#include "tessera/tokenizer/sentence_piece_writer.h"

namespace tessera {

// The file's text. `split_by_space`: no piece reaches over a space. Byte-pair and Unigram models
// alone; those whose spaces end words have no such form. Texts in which special or user-defined
// pieces stand, or whose characters the map takes in clusters, may be cut otherwise than by the
// `.model` (docs/trainer/sp-unigram.md).
std::string sentence_piece_json(const SentencePieceModel& model, bool split_by_space);

}  // namespace tessera
