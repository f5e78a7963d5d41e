// Attends to the first tokens, the newest ones, and the blocks of the past whose representative
// keys match the query best, all blocks as if equally far away, so that a text may be longer than
// the trained window. Source: Xiao et al. 2024, "InfLLM: Training-Free Long-Context Extrapolation
// for LLMs with an Efficient Context Memory", arXiv 2402.04617, section 3. Where we depart from it:
// docs/context/infllm.md.
#pragma once

#include <memory>

#include "tessera/base/spec.h"
#include "tessera/network/policy.h"

namespace tessera {

struct InfllmOptions {
  int64_t sinks = 128, local = 4096, k = 16, block = 128, representatives = 4, chunk = 512,
          question = 64;
};
template <class V>
void fields(V& v, InfllmOptions& o) {
  v("sinks", o.sinks, "first tokens that are always seen", at_least(0));
  v("local", o.local, "newest tokens that are always seen, at least", at_least(1));
  v("k", o.k, "blocks between that are chosen, for all heads of a layer", at_least(1));
  v("block", o.block, "tokens of a block", at_least(1));
  v("representatives", o.representatives,
    "keys of a block, those that received most attention, that stand for it", at_least(1));
  v("chunk", o.chunk, "tokens of a prompt that choose together, by the mean of their queries",
    at_least(1));
  v("question", o.question, "last tokens of a prompt that choose each for itself", at_least(0));
}

// Needs rotary positions and no sliding windows; sinks, k + 1 blocks, local and chunk must fit the
// trained window. A text that has no more than k blocks between sinks and local: full attention.
// Throws Error for more representatives than a block has keys.
std::unique_ptr<ContextPolicy> infllm(const InfllmOptions& options);

}  // namespace tessera
