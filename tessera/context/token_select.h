// Attends to the first tokens, the newest ones, and the k cached tokens that all heads of a layer
// together vote for, at re-numbered positions, so that a text may be longer than the trained
// window. Source: Wu et al. 2024, "TokenSelect: Efficient Long-Context Inference and Length
// Extrapolation for LLMs via Dynamic Token-Level KV Cache Selection", arXiv 2411.02886, section 4.
// Where we depart from it: docs/context/token-select.md.
#pragma once

#include <memory>
#include <string>

#include "tessera/base/spec.h"
#include "tessera/network/policy.h"

namespace tessera {

struct TokenSelectOptions {
  int64_t sinks = 128, k = 2048, local = 512, chunk = 512, question = 64;
  double theta = 0.9;
  int64_t pool = 1;
  std::string vote = "soft", positions = "slot", bits = "8";
  bool scale = false;
};
template <class V>
void fields(V& v, TokenSelectOptions& o) {
  v("sinks", o.sinks, "first tokens that are always seen", at_least(0));
  v("k", o.k, "tokens between that are chosen, for all heads of a layer", at_least(0));
  v("local", o.local, "newest tokens that are always seen, the query's own included", at_least(1));
  v("chunk", o.chunk, "tokens of a prompt that choose together, by the mean of their queries",
    at_least(1));
  v("question", o.question, "last tokens of a prompt that choose each for itself", at_least(0));
  v("theta", o.theta, "cosine of the query above which a list is used again in decoding; 2: never",
    between(-1, 2));
  v("pool", o.pool, "neighbours of a strong token share its votes: odd width of the pooling",
    between(1, 255));
  v("vote", o.vote, "each head's softmax (soft) or its bare scores (sum)", {"soft", "sum"});
  v("positions", o.positions,
    "distances as in the chosen sequence (slot) or in the text (original)", {"slot", "original"});
  v("bits", o.bits,
    "how much of each copied key its votes are counted by: the upper 8 bits, or all 16",
    {"8", "16"});
  v("scale", o.scale, "divide scores by the square root of the head width before the vote");
}

// Needs rotary positions and no sliding windows; with slot positions sinks + k + local must fit the
// trained window, with original ones the text. sinks + k + local >= tokens: full attention. Throws
// Error for an even pool, a chunk that is larger than `local` and a theta between 1 and 2.
std::unique_ptr<ContextPolicy> token_select(const TokenSelectOptions& options);

}  // namespace tessera
