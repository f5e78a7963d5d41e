// Keeps the sentences that share rare words with the question.
#pragma once

#include <memory>

#include "tessera/use/passages.h"

namespace tessera {

struct Bm25Options {
  ReadLimits limits;
  double k1 = 1.2, b = 0.75;
};
template <class V>
void fields(V& v, Bm25Options& o) {
  limit_fields(v, o.limits);
  v("k1", o.k1, "how much a word's second occurrence counts", at_least(0));
  v("b", o.b, "how much long sentences are held back", between(0, 1));
}

// Goes through the document twice: how rare a word is shows at the end. Words are runs of letters
// and digits, ASCII letters in either case the same; from U+2E80 on (Chinese, Japanese, Korean)
// each character is a word.
std::unique_ptr<Reader> bm25(const Bm25Options& options);

}  // namespace tessera
