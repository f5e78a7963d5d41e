// Keeps of a prompt, in each layer and KV head, the entries that its last queries attend to most,
// and frees the rest when the prompt has been read. Source: Li et al. 2024, "SnapKV: LLM Knows What
// You are Looking for Before Generation", arXiv 2404.14469, section 4. Where we depart from it:
// docs/context/snapkv.md.
#pragma once

#include <memory>
#include <string>

#include "tessera/base/spec.h"
#include "tessera/network/policy.h"

namespace tessera {

struct SnapkvOptions {
  int64_t budget = 1024, window = 32, pool = 7;
  std::string heads = "max";
};
template <class V>
void fields(V& v, SnapkvOptions& o) {
  v("budget", o.budget, "entries of the prompt that are kept, in each layer and KV head",
    at_least(2));
  v("window", o.window, "last tokens of the prompt, which choose and are kept", at_least(1));
  v("pool", o.pool, "neighbours of a strong entry share its score: odd width of the pooling",
    between(1, 255));
  v("heads", o.heads, "how the query heads of a KV head are joined", {"max", "mean", "sum"});
}

// Needs rotary positions and no sliding windows. The trained window stays the limit. budget >=
// prompt: full attention. Throws Error for an even pool and for a budget that the window fills.
std::unique_ptr<ContextPolicy> snapkv(const SnapkvOptions& options);

}  // namespace tessera
