// Attends to the first `sinks` tokens and the newest `local` ones and frees the rest, so that a
// text of any length runs in bounded memory. Source: Xiao et al. 2023, "Efficient Streaming
// Language Models with Attention Sinks", arXiv 2309.17453, section 3.2. Where we depart from it:
// docs/context/streaming.md.
#pragma once

#include <memory>
#include <string>

#include "tessera/base/spec.h"
#include "tessera/network/policy.h"

namespace tessera {

struct StreamingOptions {
  int64_t sinks = 4, local = 1020;
  std::string positions = "slot";
};
template <class V>
void fields(V& v, StreamingOptions& o) {
  v("sinks", o.sinks, "first tokens that are kept for good", at_least(0));
  v("local", o.local, "newest tokens that are kept, the query's own included", at_least(1));
  v("positions", o.positions, "distances as in the kept sequence (slot) or in the text (original)",
    {"slot", "original"});
}

// Needs rotary positions (or original ones) and no sliding windows; local >= tokens: full
// attention.
std::unique_ptr<ContextPolicy> streaming(const StreamingOptions& options);

}  // namespace tessera
