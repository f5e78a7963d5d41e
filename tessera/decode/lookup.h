// Guesses that a text goes on as it did after the last place where its newest n-gram stood: for
// answers that repeat their prompt (summaries, edits, code). Source: Yang et al. 2023, "Inference
// with Reference", section 3, with the text itself as the reference.
#pragma once

#include <cstdint>
#include <memory>

#include "tessera/base/spec.h"
#include "tessera/decode/drafter.h"

namespace tessera {

struct LookupOptions {
  int64_t tokens = 4, longest = 4, shortest = 2;
};
template <class V>
void fields(V& v, LookupOptions& o) {
  v("tokens", o.tokens, "ids guessed at once; 0: none", between(0, 64));
  v("longest", o.longest, "n-gram that is looked for first", between(1, 64));
  v("shortest", o.shortest, "n-gram below which nothing is guessed", between(1, 64));
}

std::unique_ptr<Drafter> lookup(const LookupOptions& options);

}  // namespace tessera
