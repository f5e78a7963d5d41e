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

// `base` and `added`: paths of tokenizer.json files whose models are byte pairs without prefix and
// suffix, WordPiece or Unigram; others are refused by name.

// Goes on with the base's own training until request.vocab_size. Refused for Unigram, which has
// nothing to go on from.
// Byte pairs: the texts are cut and encoded by the base, and its tokens are merged further. New
// merges stand behind all old ones, so that texts in which none applies keep their ids.
// WordPiece: the same, as its trainer merges pairs, too; before that the texts' characters that the
// base lacks become tokens, all but the rarest, which cover 0.05 % of the texts. Longest match uses
// new tokens at once.
ExtendedTokenizer extend_by_texts(const std::string& base, TrainingTexts& texts,
                                  const TrainingRequest& request);

// Which scores the pieces of another vocabulary get.
enum class AddedScores : uint8_t {
  // The ones that they had: among SentencePiece's byte pairs new merges then come between old ones,
  // and old texts are cut otherwise, too. What the reference code does.
  own,
  // SentencePiece's byte pairs: below all old ones, so that new merges come behind old ones.
  // Unigram: moved together, so that `share` of the probability is theirs.
  behind,
};

// Takes over what `added`, of the same kind, has and the base lacks, in its order, until there are
// `vocab_size` tokens. Byte pairs: merges whose parts are there and whose result is not, behind the
// base's. WordPiece, Unigram: tokens, without those that the base's normaliser would change or its
// pre-tokenizer would cut. 0 < share < 1; scores and share say something for Unigram alone.
ExtendedTokenizer extend_by_vocabulary(const std::string& base, const std::string& added,
                                       int64_t vocab_size, AddedScores scores = AddedScores::behind,
                                       double share = 0.5);

}  // namespace tessera
