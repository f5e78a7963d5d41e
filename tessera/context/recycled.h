// Reads, at most decoded tokens, only the entries that a recent full step attended to most; now and
// then a step attends to everything and the list is made anew. Nothing is lost. Source: Xu et al.
// 2024, "Recycled Attention" / "RefreshKV", arXiv 2411.05787, section 3. Where we depart from it:
// docs/context/recycled.md.
#pragma once

#include <memory>
#include <string>

#include "tessera/base/spec.h"
#include "tessera/network/policy.h"

namespace tessera {

struct RecycledOptions {
  int64_t budget = 1024;
  std::string when = "compare";
  int64_t stride = 10, compare = 5;
  double threshold = 0.9;
  int64_t pool = 7;
  std::string heads = "max", queries = "plain";
  bool refresh = true, full = true;
};
template <class V>
void fields(V& v, RecycledOptions& o) {
  v("budget", o.budget, "keys read by a step that is not full, in each layer and KV head",
    at_least(2));
  v("when", o.when,
    "a layer takes a full step when its query has turned away from the last full step's (compare), "
    "or every `stride` tokens (stride)",
    {"compare", "stride"});
  v("stride", o.stride, "tokens between full steps", at_least(1));
  v("compare", o.compare, "tokens between comparisons of queries", at_least(1));
  v("threshold", o.threshold, "cosine of the queries below which a step is full", between(-2, 2));
  v("pool", o.pool, "neighbours of a strong entry share its score: odd width of the pooling",
    between(1, 255));
  v("heads", o.heads, "how the query heads of a KV head are joined", {"max", "mean", "first"});
  v("queries", o.queries, "queries are compared before (plain) or after (rotated) their rotation",
    {"plain", "rotated"});
  v("refresh", o.refresh, "whether a full step makes the list anew (off: an ablation)");
  v("full", o.full, "whether a full step's output is that of full attention (off: an ablation)");
}

// Needs rotary positions and no sliding windows. The trained window stays the limit. budget >=
// tokens, or when=stride,stride=1: full attention. Throws Error for an even pool, and for a key
// that `when` leaves without a meaning.
std::unique_ptr<ContextPolicy> recycled(const RecycledOptions& options);

}  // namespace tessera
