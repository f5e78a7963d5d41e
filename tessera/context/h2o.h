// Keeps, in each layer and KV head, the newest entries and those that have received most attention
// so far, and frees the others. Source: Zhang et al. 2023, "H2O: Heavy-Hitter Oracle for Efficient
// Generative Inference of Large Language Models", arXiv 2306.14048, section 4. Where we depart from
// it: docs/context/h2o.md.
#pragma once

#include <memory>

#include "tessera/base/spec.h"
#include "tessera/network/policy.h"

namespace tessera {

struct H2oOptions {
  int64_t budget = 1024, local = 0;
};
template <class V>
void fields(V& v, H2oOptions& o) {
  v("budget", o.budget, "entries that are kept, in each layer and KV head", at_least(2));
  v("local", o.local,
    "of these, newest tokens that are kept whatever they received; 0: half of them", at_least(0));
}

// Needs rotary positions and no sliding windows. The trained window stays the limit. budget >=
// tokens: full attention. Throws Error when `local` fills the budget.
std::unique_ptr<ContextPolicy> h2o(const H2oOptions& options);

}  // namespace tessera
