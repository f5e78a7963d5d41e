// Unigram: many pieces at first, pruned to those that make the texts likely.
// Source: Kudo 2018, arXiv 1804.10959. docs/trainer/unigram.md.
#pragma once

#include <memory>
#include <string>

#include "tessera/base/spec.h"
#include "tessera/tokenizer/train/trainer.h"

namespace tessera {

struct UnigramTrainerOptions {
  double shrinking_factor = 0.75;
  int64_t rounds = 2;
  int64_t max_piece_length = 16;
  int64_t seeds = 1000000;
  std::string initial_alphabet;
  std::string unknown = "<unk>";
  bool byte_fallback = false;
};
template <class V>
void fields(V& v, UnigramTrainerOptions& o) {
  v("shrinking-factor", o.shrinking_factor, "share of the pieces that a pruning keeps",
    between(0.01, 0.99));
  v("rounds", o.rounds, "of expectation maximisation between prunings", between(1, 100));
  v("max-piece-length", o.max_piece_length, "characters of a piece at most", between(1, 1000));
  v("seeds", o.seeds, "pieces to begin with, at most", between(1, 100000000));
  v("initial-alphabet", o.initial_alphabet, "characters that are tokens whatever the texts hold");
  v("unknown", o.unknown, "the special token for characters that are no token");
  v("byte-fallback", o.byte_fallback,
    "256 tokens more, so that unknown characters keep their bytes");
}

std::unique_ptr<Trainer> unigram_trainer(const UnigramTrainerOptions& options);

}  // namespace tessera
