// Byte-pair encoding: the most frequent pair of neighbours becomes a token, again and again.
// Source: Sennrich et al. 2016, arXiv 1508.07909. docs/trainer/bpe.md.
#pragma once

#include <memory>
#include <string>

#include "tessera/base/spec.h"
#include "tessera/tokenizer/train/trainer.h"

namespace tessera {

struct BpeTrainerOptions {
  int64_t min_frequency = 0;
  int64_t limit_alphabet = 0;
  std::string initial_alphabet;
  bool all_bytes = true;
  std::string continuing_prefix;
  std::string end_suffix;
  int64_t max_token_length = 0;
  std::string unknown;
};
template <class V>
void fields(V& v, BpeTrainerOptions& o) {
  v("min-frequency", o.min_frequency, "rarer pairs are not joined", at_least(0));
  v("limit-alphabet", o.limit_alphabet,
    "keep the most frequent characters only and drop the others from words; 0: keep all",
    at_least(0));
  v("initial-alphabet", o.initial_alphabet, "characters that are tokens whatever the texts hold");
  v("all-bytes", o.all_bytes, "every byte is a token, where words are read by bytes");
  v("continuing-prefix", o.continuing_prefix, "in front of symbols that do not begin a word");
  v("end-suffix", o.end_suffix, "behind symbols that end a word");
  v("max-token-length", o.max_token_length,
    "new pairs count only below so many symbols in all; 0: any", at_least(0));
  v("unknown", o.unknown, "a special token for characters that are none; without one they vanish");
}

std::unique_ptr<Trainer> bpe_trainer(const BpeTrainerOptions& options);

}  // namespace tessera
