// What a context policy chooses, told to whoever wants to see it while a network runs.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "tessera/network/network.h"
#include "tessera/network/policy.h"

namespace tessera {

// What one token sees in one layer.
struct Selection {
  int64_t layer = 0;
  int64_t head = 0, heads = 1;  // query heads that see it: head .. head + heads - 1
  int64_t token = 0;            // of the text
  int64_t dropped = 0;          // tokens before it that are no entries any more
  bool damped = false;          // the runs are entries whose weights are changed after the softmax
  std::span<const Run> runs;
  // What the policy looked at, as long as the call; null for one that looks at no keys.
  const LayerView* view = nullptr;
  int64_t row = 0, kv_head = 0;  // of the view
};

class SelectionSink {
 public:
  virtual ~SelectionSink() = default;
  // Called by several threads at once. The runs live as long as the call.
  virtual void take(const Selection& selection) = 0;
};

// The same policy, which tells `sink` what the last token of the announced prompt and every later
// one sees. The sink must outlive the policy and its clones. To be wrapped before attach().
std::unique_ptr<ContextPolicy> traced(std::unique_ptr<ContextPolicy> policy, SelectionSink& sink);

// Pasts that the network makes from now on tell the sink what they choose; null: none do. A policy
// that attends to everything chooses nothing. A network of another kind than the engine's tells
// nothing.
void trace_selections(Network& network, SelectionSink* sink);

}  // namespace tessera
