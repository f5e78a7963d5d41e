// Byte pairs of characters as SentencePiece learns them, piece for piece.
// Source: Sennrich et al. 2016, arXiv 1508.07909; Kudo and Richardson 2018, arXiv 1808.06226.
// docs/trainer/sp-bpe.md.
#pragma once

#include <memory>

#include "tessera/tokenizer/train/sentence_piece_training.h"

namespace tessera {

struct SpBpeTrainerOptions {
  SentencePieceTrainingOptions text = {};
};
template <class V>
void fields(V& v, SpBpeTrainerOptions& o) {
  sentence_piece_fields(v, o.text);
}

std::unique_ptr<Trainer> sp_bpe_trainer(const SpBpeTrainerOptions& options);

}  // namespace tessera
