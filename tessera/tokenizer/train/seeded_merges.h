// Merges behind all learned ones by which byte pairs make given tokens themselves. Learned merges
// come first, so that every place at which a text is then cut is one at which it was cut before.
// Source: the third way to force a token in the uses of Bommarito et al. 2025, arXiv 2503.17247.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tessera/tokenizer/train/byte_pair_learning.h"

namespace tessera {

// Adds to `pairs`, which have neither prefix nor suffix, what makes one token of each of `words`,
// as their bytes or characters are read: merges of the tokens that the word has by then, and the
// tokens that come of these. Shorter words come first, so that longer ones go on from them. Gives
// those that hold a symbol which is no token, and so cannot be made. O(size²) a word.
std::vector<std::string> add_seeded_merges(std::span<const std::string> words, Reading reading,
                                           LearnedBytePairs& pairs);

}  // namespace tessera
