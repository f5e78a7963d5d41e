// Expectation maximisation for a Unigram model, and its pruning.
// Source: Kudo 2018, arXiv 1804.10959, section 3.2; digamma: Liang and Klein 2007. Constants and
// order are those of the package tokenizers.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tessera/tokenizer/train/seed_pieces.h"

namespace tessera {

// Where the two packages that have this trainer differ.
enum class UnigramRules : uint8_t {
  // The unknown piece counts as one. Expectation maximisation comes last. Of pieces that are not
  // the best cut of their own text those that are in use stay.
  tokenizers,
  // It does not. Pruning comes last. Such pieces go, and so do all that are not in use.
  sentence_piece
};

struct UnigramLearningOptions {
  size_t target = 8000;  // pruning stops at 1.1 times as many pieces
  double shrinking_factor = 0.75;
  int64_t rounds = 2;  // of expectation maximisation between two prunings
  int64_t threads = 1;
  UnigramRules rules = UnigramRules::tokenizers;
};

struct LearnedPiece {
  uint32_t begin, length;  // in the words' text
  double score;
};

// Pieces in the order in which they are kept: at most 1.1 times the target, or those that cannot be
// left out. The same for any number of threads. `shown`: called with the number of pieces left.
std::vector<LearnedPiece> learn_unigram(const SpelledWords& words, std::vector<SeedPiece> seeds,
                                        const UnigramLearningOptions& options,
                                        const std::function<void(size_t)>& shown = {});

// The derivative of log gamma, as an asymptotic series from 7 on. Needs x > 0.
double digamma(double x);

}  // namespace tessera
