// Byte pairs learned from one part of the text after another, a pair from each: the form of BPE
// about which something can be proved. Source: Rajaraman et al. 2024, arXiv 2404.08335, algorithm
// 1; docs/trainer/seq-bpe.md.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tessera/base/spec.h"
#include "tessera/tokenizer/train/pair_merger.h"
#include "tessera/tokenizer/train/trainer.h"

namespace tessera {

struct SeqBpeTrainerOptions {
  double least = 0;
  bool again = true;
};
template <class V>
void fields(V& v, SeqBpeTrainerOptions& o) {
  v("least", o.least,
    "a part's pair is joined when it occurs more often than this; 0: the logarithm of the "
    "vocabulary's size",
    at_least(0));
  v("again", o.again, "the text is read again while tokens are missing and parts give some");
}

std::unique_ptr<Trainer> seq_bpe_trainer(const SeqBpeTrainerOptions& options);

// Merges over `alphabet` symbols, ids 0 up: `words` are cut into `parts` of equal length, and each
// part gives at most one; `again`: all parts in turn once more, until there are as many merges as
// parts or none gives any. A word that lies across two parts is cut there. A pair whose text
// is a token already gives none; of equally frequent pairs the smaller ids come first.
std::vector<LearnedMerge> learn_in_sequence(const std::vector<std::vector<uint32_t>>& words,
                                            uint32_t alphabet, int64_t parts, double least,
                                            bool again);

}  // namespace tessera
