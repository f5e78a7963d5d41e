// WordPiece as the package tokenizers trains it: byte pairs over characters, those that do not
// begin a word marked with a prefix; the tokens are then found by longest match.
// docs/trainer/wordpiece.md.
#pragma once

#include <memory>
#include <string>

#include "tessera/base/spec.h"
#include "tessera/tokenizer/train/trainer.h"

namespace tessera {

struct WordPieceTrainerOptions {
  int64_t min_frequency = 0;
  int64_t limit_alphabet = 0;
  std::string initial_alphabet;
  std::string prefix = "##";
  std::string unknown = "[UNK]";
  int64_t longest_word = 100;
};
template <class V>
void fields(V& v, WordPieceTrainerOptions& o) {
  v("min-frequency", o.min_frequency, "rarer pairs are not joined", at_least(0));
  v("limit-alphabet", o.limit_alphabet,
    "keep the most frequent characters only and drop the others from words; 0: keep all",
    at_least(0));
  v("initial-alphabet", o.initial_alphabet, "characters that are tokens whatever the texts hold");
  v("prefix", o.prefix, "in front of symbols that do not begin a word");
  v("unknown", o.unknown, "the special token for words that cannot be put together");
  v("longest-word", o.longest_word, "characters of a word beyond which it is unknown",
    between(1, 10000));
}

std::unique_ptr<Trainer> word_piece_trainer(const WordPieceTrainerOptions& options);

}  // namespace tessera
