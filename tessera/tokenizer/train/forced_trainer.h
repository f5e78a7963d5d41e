// Byte pairs of a field's texts, with tokens that stand whatever the texts hold, and a size that is
// a power of two. Source: Bommarito et al. 2025, arXiv 2503.17247; docs/trainer/forced.md.
#pragma once

#include <memory>
#include <string>

#include "tessera/base/spec.h"
#include "tessera/tokenizer/train/trainer.h"

namespace tessera {

struct ForcedTrainerOptions {
  std::string groups;
  std::string tokens;
  std::string match = "auto";
  bool pad = false;
  int64_t min_frequency = 0;
  int64_t max_chars = 0;
};
template <class V>
void fields(V& v, ForcedTrainerOptions& o) {
  v("groups", o.groups,
    "tokens that stand in any case: all, or of whitespace+markdown+html+json+xml+years+numbers+"
    "enumerations some");
  v("tokens", o.tokens, "a file of more such tokens, one a line");
  v("match", o.match,
    "where such a token is taken: added, anywhere in a text; single-word, between what is no "
    "letter or digit; auto, the latter for those that begin and end with one; seeded, where merges "
    "behind the learned ones make it, which cuts nothing, and auto for what is more than a word",
    {"auto", "added", "single-word", "seeded"});
  v("pad", o.pad,
    "runs of spaces and newlines, then unused names, fill the size up to a power of two");
  v("min-frequency", o.min_frequency, "rarer pairs are not joined", at_least(0));
  v("max-chars", o.max_chars, "bytes of a learned token at most, its space included; 0: any number",
    at_least(0));
}

std::unique_ptr<Trainer> forced_trainer(const ForcedTrainerOptions& options);

}  // namespace tessera
