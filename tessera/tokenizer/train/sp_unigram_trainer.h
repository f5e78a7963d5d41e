// Unigram as SentencePiece learns it: seeds from whole texts, then pruning.
// Source: Kudo 2018, arXiv 1804.10959; Kudo and Richardson 2018, arXiv 1808.06226.
// docs/trainer/sp-unigram.md.
#pragma once

#include <memory>

#include "tessera/tokenizer/train/sentence_piece_training.h"

namespace tessera {

struct SpUnigramTrainerOptions {
  SentencePieceTrainingOptions text = {};
  double shrinking_factor = 0.75;
  int64_t rounds = 2, seeds = 1000000;
};
template <class V>
void fields(V& v, SpUnigramTrainerOptions& o) {
  sentence_piece_fields(v, o.text);
  v("shrinking-factor", o.shrinking_factor, "share of the pieces that a pruning keeps",
    between(0.01, 0.99));
  v("num-sub-iterations", o.rounds, "rounds of expectation maximisation between prunings",
    between(1, 100));
  v("seed-sentencepiece-size", o.seeds, "pieces to begin with, at most", between(1, 100000000));
}

std::unique_ptr<Trainer> sp_unigram_trainer(const SpUnigramTrainerOptions& options);

}  // namespace tessera
