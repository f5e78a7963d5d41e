// Guesses with a smaller model of the same vocabulary (--with draft=REF): its likeliest tokens, as
// long as it is sure of them. Source: Leviathan et al. 2022, "Fast Inference from Transformers via
// Speculative Decoding", with guesses that are not drawn.
#pragma once

#include <cstdint>
#include <memory>

#include "tessera/base/spec.h"
#include "tessera/decode/drafter.h"

namespace tessera {

struct DraftModelOptions {
  int64_t tokens = 4;
  double sure = 0.4;
};
template <class V>
void fields(V& v, DraftModelOptions& o) {
  v("tokens", o.tokens, "ids guessed at once; 0: none", between(0, 64));
  v("sure", o.sure, "probability below which a guess is not made", between(0, 1));
}

std::unique_ptr<Drafter> draft_model(const DraftModelOptions& options);

}  // namespace tessera
