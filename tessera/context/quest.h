// Attends, at each decoded token, to the pages of the past whose keys could score highest: every
// page keeps the least and the greatest value of each dimension of its keys, which bound the score
// that a query can reach in it. Source: Tang et al. 2024, "Quest: Query-Aware Sparsity for
// Efficient Long-Context LLM Inference", arXiv 2406.10774, section 3. Where we depart from it:
// docs/context/quest.md.
#pragma once

#include <memory>

#include "tessera/base/spec.h"
#include "tessera/network/policy.h"

namespace tessera {

struct QuestOptions {
  int64_t budget = 1024, page = 16, dense_layers = 2;
};
template <class V>
void fields(V& v, QuestOptions& o) {
  v("budget", o.budget, "keys read per step, query head and layer, in whole pages", at_least(1));
  v("page", o.page, "keys of a page", between(1, 64));
  v("dense-layers", o.dense_layers, "first layers that attend to everything", at_least(0));
}

// Needs rotary positions and no sliding windows. The trained window stays the limit. budget >=
// tokens: full attention. Throws Error for a budget of fewer than six pages: the first one and the
// newest four are always read.
std::unique_ptr<ContextPolicy> quest(const QuestOptions& options);

}  // namespace tessera
