// Log-probabilities of a given text: what perplexity and bits per byte are made of.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "tessera/network/network.h"

namespace tessera {

struct ScoreOptions {
  int64_t window = 0;    // tokens seen at once; 0: the model's context
  int64_t stride = 0;    // tokens by which windows move; 0: half the window
  int64_t prefill = -1;  // prefill so many tokens, then decode the rest one by one; -1: windows
};

struct Score {
  int64_t tokens = 0;          // scored
  double nll = 0;              // nats, their sum
  int64_t decoded_tokens = 0;  // of these, scored token by token after the prefill
  double decoded_nll = 0;
  PastCounters context;  // of the past that was decoded with
};

// Scores every id once, from what precedes it in its window; a token that
// nothing precedes is not scored. `each` (may be empty) is called for every scored token, in order.
// Throws Error for a window or stride that cannot be, and for a text longer than the context when
// it is to be decoded.
Score score(CausalModel& model, std::span<const int32_t> ids, const ScoreOptions& options,
            const std::function<void(int64_t index, double logprob)>& each = {});

}  // namespace tessera
