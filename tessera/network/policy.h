// The context seam: which entries of the past each query may see, and from which distance.
//
// A policy answers with runs of entries. Keys are stored once, rotated at their own positions; a
// rotary score depends on the distance alone, so a run that should be seen from elsewhere (slot
// positions, blocks at a fixed distance) carries the position from which the query looks at it, and
// the query is rotated instead of the keys. ALiBi distances follow in the same way.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tessera {

// What a policy may want to know of the network before it serves it.
struct Geometry {
  int64_t layers = 0, heads = 0, kv_heads = 0, head_width = 0;
  int64_t context = 0;    // trained window
  bool rotary = false;    // positions by rotation in every layer
  bool windowed = false;  // some layer has a sliding window of its own
};

// Entries begin .. end - 1 of the past, in order of arrival, seen from `query_position`.
struct Run {
  int64_t begin = 0, end = 0;
  int64_t query_position = 0;
};

// One query of one layer and KV head.
struct StepView {
  int64_t layer = 0, kv_head = 0;
  int64_t index = 0;               // the query's own entry; entries up to index exist
  int64_t position = 0;            // its position
  std::span<const float> queries;  // [heads / kv_heads, head_width], rotated at `position`
};

class ContextPolicy {
 public:
  virtual ~ContextPolicy() = default;
  // For a fork of the past.
  virtual std::unique_ptr<ContextPolicy> clone() const = 0;
  // Called once, before the first query. Throws Error naming what the policy cannot serve.
  virtual void attach(const Geometry& geometry) = 0;
  // Whether every query sees everything before it: such a policy is never asked to select.
  virtual bool attends_everything() const { return false; }
  // Whether a text may grow beyond the trained window under this policy.
  virtual bool serves_any_length() const { return false; }
  // Fills `runs` (empty on entry) with ascending, disjoint runs that end at index + 1 at most and
  // include the query's own entry. May be called from several threads at once, for any order of
  // layers, heads and queries.
  virtual void select(const StepView& step, std::vector<Run>& runs) const = 0;
  // Called after a batch: entries below `entries` exist. Fills `runs` with those that no later
  // query will see (query_position is ignored); their memory is freed and they can never come back.
  virtual void evict(int64_t entries, std::vector<Run>& runs) const = 0;
};

}  // namespace tessera
