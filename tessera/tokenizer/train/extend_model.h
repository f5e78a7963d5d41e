// More pieces for a SentencePiece `.model` in use: every old id keeps its piece and its score, and
// what else the file says stays as it is.
// Source: Larcher et al. 2023 (Cabrita), arXiv 2308.11878, and its reference code for the merge.
#pragma once

#include <string>

#include "tessera/tokenizer/train/extend.h"

namespace tessera {

// Takes over the pieces of the `.model` file `added`, of the same kind as that at `base` (byte
// pairs or Unigram), by their ids, until there are `vocab_size`. Left out: what is there already,
// control, unknown, user-defined, unused and byte pieces, and pieces that the base's normaliser
// would change. 0 < share < 1. Throws Error.
ExtendedTokenizer extend_model_by_model(const std::string& base, const std::string& added,
                                        int64_t vocab_size, AddedScores scores, double share);

// Goes on with the training of byte pairs: the texts' characters that the base lacks become pieces
// (all but the rarest, which cover 0.05 % of the texts), the words are encoded by what there is
// then, and their pieces are joined further until request.vocab_size, as the file says that its
// trainer was asked to (scripts, digits, lengths). New pieces score below all old ones, in this
// order. A piece that no text would give (docs/training-tokenizers.md) is left out for the next
// one. Throws Error; so where the size does not even hold the characters.
ExtendedTokenizer extend_model_by_texts(const std::string& base, TrainingTexts& texts,
                                        const TrainingRequest& request);

}  // namespace tessera
