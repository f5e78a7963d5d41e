// Each query head attends to the few chunks of a long text that match its query best, set side by
// side at distances inside the trained window. Source: Lu et al. 2024, "LongHeads: Multi-Head
// Attention is Secretly a Long Context Processor", arXiv 2402.10685, section 2. Where we depart
// from it: docs/context/long-heads.md.
#pragma once

#include <memory>
#include <string>

#include "tessera/base/spec.h"
#include "tessera/network/policy.h"

namespace tessera {

struct LongHeadsOptions {
  int64_t budget = 4096, chunk = 256, begin = 4096;
  std::string share = "head";
};
template <class V>
void fields(V& v, LongHeadsOptions& o) {
  v("budget", o.budget, "keys read per step and query head, in whole chunks", at_least(8));
  v("chunk", o.chunk, "tokens of a chunk", at_least(2));
  v("begin", o.begin, "tokens before this one attend to everything before them", at_least(0));
  v("share", o.share, "each query head chooses for itself, or all heads of a layer together",
    {"head", "layer"});
}

// Needs rotary positions and no sliding windows; the budget must fit the trained window. budget >=
// tokens: full attention. Throws Error for a budget that is no multiple of the chunk or holds fewer
// than four chunks, and for a `begin` beyond the budget.
std::unique_ptr<ContextPolicy> long_heads(const LongHeadsOptions& options);

}  // namespace tessera
