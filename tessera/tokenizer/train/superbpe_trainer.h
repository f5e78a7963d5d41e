// Byte pairs in two stages: inside words first, then over the whole text, so that frequent phrases
// become tokens after the words have. Source: Liu et al. 2025, arXiv 2503.13423, section 2;
// docs/trainer/superbpe.md.
#pragma once

#include <cstdint>
#include <memory>

#include "tessera/base/spec.h"
#include "tessera/tokenizer/train/trainer.h"

namespace tessera {

struct SuperbpeTrainerOptions {
  double words = 0.9;
  int64_t min_frequency = 0;
  int64_t most_words = 0;
};
template <class V>
void fields(V& v, SuperbpeTrainerOptions& o) {
  v("words", o.words, "share of the vocabulary that is learned inside words", between(0, 1));
  v("min-frequency", o.min_frequency, "rarer pairs are not joined", at_least(0));
  v("most-words", o.most_words, "a token holds parts of so many words at most; 0: any",
    at_least(0));
}

std::unique_ptr<Trainer> superbpe_trainer(const SuperbpeTrainerOptions& options);

}  // namespace tessera
