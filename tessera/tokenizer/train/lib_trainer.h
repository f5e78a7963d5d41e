// Less is Better: subwords, words and phrases in one lexicon, learned by reading without any rule
// about spaces. docs/trainer/lib.md.
// Source: Yang 2024, arXiv 2403.00417.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tessera/base/spec.h"
#include "tessera/tokenizer/train/trainer.h"

namespace tessera {

struct LibTrainerOptions {
  double alpha = 0.25;
  double delta = 0.2;
  double omega = 0.0001;
  int64_t life = 10;
  int64_t max_len = 12;
  int64_t mini_gap = 2;
  int64_t document = 200;
  int64_t documents = 0;
  int64_t limit_alphabet = 0;
  bool cap = false;
  std::string encode = "greedy";
  int64_t seed = 0;
  std::string unknown = "[UNK]";
};
template <class V>
void fields(V& v, LibTrainerOptions& o) {
  v("alpha", o.alpha, "chance that two neighbours are considered as a unit", between(0, 1));
  v("delta", o.delta, "step by which a judged unit moves, relative to its place; 0: none moves",
    between(0, 1));
  v("omega", o.omega, "share of the lexicon's tail put on probation after a document",
    between(0, 1));
  v("life", o.life, "documents that a unit on probation survives unused", at_least(1));
  v("max-len", o.max_len, "characters of the longest unit", between(1, 1000));
  v("mini-gap", o.mini_gap, "longest run of unknown characters that may become a unit",
    at_least(0));
  v("document", o.document, "texts read before the lexicon is put in order", at_least(1));
  v("documents", o.documents, "how many are read; 0: what reads every text 20 times, 5,000 at most",
    at_least(0));
  v("limit-alphabet", o.limit_alphabet,
    "know the most frequent characters only and read the others by bytes; 0: know all",
    at_least(0));
  v("cap", o.cap, "no unit is added to a lexicon as large as the vocabulary");
  v("encode", o.encode,
    "how texts are cut: greedy, the longest match, or fewest, as few tokens as can be",
    {"greedy", "fewest"});
  v("seed", o.seed, "of the texts and neighbours that are drawn", at_least(0));
  v("unknown", o.unknown, "the special token that the file's format asks for; no text gives it");
}

std::unique_ptr<Trainer> lib_trainer(const LibTrainerOptions& options);

}  // namespace tessera
