// Attends to the newest `local` tokens and, of the older ones, to every n-th: a local window with a
// coarse memory. Source: the strided pattern of Child et al. 2019, arXiv 1904.10509, section 4.
// Where we depart from it: docs/context/every-nth.md.
#pragma once

#include <memory>

#include "tessera/base/spec.h"
#include "tessera/network/policy.h"

namespace tessera {

struct EveryNthOptions {
  int64_t n = 2, local = 256;
};
template <class V>
void fields(V& v, EveryNthOptions& o) {
  v("n", o.n, "of the older tokens, every n-th is seen", at_least(1));
  v("local", o.local, "newest tokens that are all seen, the query's own included", at_least(1));
}

// n = 1: full attention. The trained window stays the limit.
std::unique_ptr<ContextPolicy> every_nth(const EveryNthOptions& options);

}  // namespace tessera
