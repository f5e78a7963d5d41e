// What the trainers of Unigram models share: from words to the pieces that are kept, with progress.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/tokenizer/train/unigram_learning.h"

namespace tessera {

// What counting may take of `memory` bytes: seeds and their places take more than the words alone.
constexpr int64_t memory_beside_seeds(int64_t memory) { return memory - memory / 8; }

struct PieceSearch {
  size_t longest = 16, most = 1000000;  // characters of a seed; seeds
  SeedRules seeds = {};
  UnigramLearningOptions learning = {};
};

// seed_pieces(), then learn_unigram(). `progress`: as in TrainingRequest. Throws Error where no
// string may be a piece.
std::vector<LearnedPiece> find_pieces(const SpelledWords& words, const PieceSearch& search,
                                      const std::function<void(std::string_view)>& progress);

std::string text_of(const SpelledWords& words, const LearnedPiece& piece);

}  // namespace tessera
