// From counted words to byte pairs, as BPE and WordPiece share it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/tokenizer/train/pair_merger.h"
#include "tessera/tokenizer/train/trainer.h"
#include "tessera/tokenizer/train/word_counts.h"

namespace tessera {

struct BytePairOptions {
  int64_t min_frequency = 0;
  int64_t limit_alphabet = 0;         // characters that are kept at most; 0: all
  std::string initial_alphabet = {};  // characters that are kept whatever the texts hold
  bool all_bytes = true;              // of words that are read by bytes: all 256 are kept
  std::string continuing_prefix = {}, end_suffix = {};
  int64_t max_token_length = 0;
};

struct LearnedBytePairs {
  std::vector<std::string>
      tokens;  // by id: specials, alphabet, symbols with prefix or suffix, merges
  std::vector<LearnedMerge> merges;
  int64_t alphabet = 0;  // tokens in front of the merges
  std::vector<std::string> notes;
};

// Throws Error where nothing was counted and where request.vocab_size cannot hold what comes before
// the merges, naming the least that can.
LearnedBytePairs learn_byte_pairs(const WordCounts& counts, Reading reading,
                                  const BytePairOptions& options, const TrainingRequest& request);

// What a trainer gives back: `json` is what was made of `learned`.
TrainedTokenizer trained(std::string json, const LearnedBytePairs& learned,
                         const WordCounts& counts, const TrainingTexts& texts);

}  // namespace tessera
