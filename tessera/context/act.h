// Weakens attention sinks after the first token in chosen heads: their weights are multiplied after
// the softmax, and what they lose goes to the other tokens. Source: Yu et al. 2024, "Unveiling and
// Harnessing Hidden Attention Sinks: Enhancing Large Language Models without Training through
// Attention Calibration", arXiv 2406.15765, section 4. Where we depart: docs/context/act.md.
#pragma once

#include <memory>
#include <string>

#include "tessera/base/spec.h"
#include "tessera/network/policy.h"

namespace tessera {

struct ActOptions {
  std::string file, heads = "all";
  double beta = 0.4, tau = 0.1, alpha = 0;
  int64_t min_queries = 16;
  std::string mode = "prompt";
  bool any_layer = false;
};
template <class V>
void fields(V& v, ActOptions& o) {
  v("file", o.file, "what `tessera calibrate` wrote for this model; it says all the rest");
  v("heads", o.heads,
    "heads as LAYER.HEAD+LAYER.HEAD.., or all of them but those of the first two layers and the "
    "last");
  v("beta", o.beta, "what the weight of a sink is multiplied by; 1: nothing changes",
    between(0, 1));
  v("tau", o.tau, "mean attention that a token receives above which it is a sink", between(0, 1));
  v("alpha", o.alpha, "instead of tau: the same in units of 1 / tokens; 0: tau", at_least(0));
  v("min_queries", o.min_queries, "queries that must have seen a token before it may be a sink",
    at_least(1));
  v("mode", o.mode,
    "sinks of a prompt (prompt), of all that was read (running), or, of each row of a pass, of the "
    "whole pass (pass)",
    {"prompt", "running", "pass"});
  v("any_layer", o.any_layer, "heads of the first two layers and the last one may be named");
}

// beta = 1: full attention, to the bit. Throws Error for a tau of 0 or 1 or beside an alpha, a list
// of heads that is none, and a file that is damaged or says what other keys say; when it meets the
// network, for a file made with other weights, and for layers and heads that there are not.
std::unique_ptr<ContextPolicy> act(const ActOptions& options);

}  // namespace tessera
