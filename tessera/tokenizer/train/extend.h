// More tokens for a vocabulary that is in use: every old id keeps its bytes.
// Source: Larcher et al. 2023 (Cabrita), arXiv 2308.11878, for the merge of two vocabularies.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/tokenizer/train/trainer.h"

namespace tessera {

struct ExtendedTokenizer {
  std::string file;                      // its bytes
  int64_t before = 0, after = 0;         // tokens
  std::vector<std::string> unreachable;  // new tokens that their own bytes do not give
  std::vector<std::string> notes;
};

// `base`: the path of a tokenizer.json with a BPE model without prefix and suffix; others are
// refused by name.
//
// Goes on with the base's own training: the texts are cut and encoded by the base, and its tokens
// are merged further until request.vocab_size. New merges stand behind all old ones, so that texts
// in which none applies keep their ids.
ExtendedTokenizer extend_by_texts(const std::string& base, TrainingTexts& texts,
                                  const TrainingRequest& request);

// Takes over the merges of the tokenizer.json `added`, in their order and behind the base's, whose
// parts are there and whose result is not, until there are `vocab_size` tokens.
ExtendedTokenizer extend_by_vocabulary(const std::string& base, const std::string& added,
                                       int64_t vocab_size);

}  // namespace tessera
