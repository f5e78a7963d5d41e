// The context seam: which entries of the past each query may see, and from which distance.
//
// A policy answers with runs of entries. Keys are stored once, rotated at their own positions; a
// rotary score depends on the distance alone, so a run that should be seen from elsewhere (slot
// positions, blocks at a fixed distance) carries the position from which the query looks at it, and
// the query is rotated instead of the keys. ALiBi distances follow in the same way.
//
// A policy that chooses by content is shown each layer's queries and keys before they attend, keeps
// what it needs of them, and answers with runs as any other. What it keeps is its own and is copied
// with a fork of the past.
#pragma once

#include <cstdint>
#include <functional>
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
  // Hash of every stored weight, computed when it is asked for the first time; null: not known.
  std::function<std::string()> weights = {};
  int64_t number_bytes = 4;  // of a number in the cache
};

// Entries begin .. end - 1 of the past, in order of arrival, seen from `query_position`.
struct Run {
  int64_t begin = 0, end = 0;
  int64_t query_position = 0;
};

class LayerView;
class CopiedKeys;
class PlainKeys;

// One query of one layer and KV head; for a policy that is asked per query head, of one head.
struct StepView {
  int64_t layer = 0, kv_head = 0;
  int64_t index = 0;               // the query's own entry; entries up to index exist
  int64_t position = 0;            // its position
  std::span<const float> queries;  // [heads / kv_heads, head_width], rotated at `position`
  int64_t head = 0;                // query head when asked per query head, else the group's first
  // What a policy that chooses by content may look at; null for the others.
  const LayerView* view = nullptr;
  int64_t row = 0;  // of the view
};

// Entries that a policy holds copies of, and those that are read where they lie.
struct Copies {
  const CopiedKeys* keys = nullptr;  // null: there are none
  int64_t query_position = 0;        // from which all copies are seen
  Run rest;                          // begin == end: nothing
};

// What a policy has done so far, for reports.
struct PolicyCounters {
  int64_t selections = 0, reuses = 0;  // of lists of keys, per layer (and KV head)
  int64_t bytes = 0;                   // what it holds beside the cache: bounds, copies, lists
};

// An entry of one layer and KV head that takes the place of another.
struct Move {
  int64_t from = 0, to = 0;
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

  // The rest is for policies that choose by what queries and keys hold. Tokens are counted from the
  // text's first one, entries of the past from the first that is held.

  // Whether observe() and settle() are to be called.
  virtual bool chooses() const { return false; }
  // The first `tokens` of the text are a prompt, the ones after it are decoded: until this is
  // said, every token counts as decoded. May be said again when the text goes on with another one.
  virtual void announce(int64_t /*tokens*/) {}
  // Of `rows` tokens from `token` on, how many at most may be computed in one pass. At least 1.
  virtual int64_t together(int64_t /*token*/, int64_t rows) const { return rows; }
  // Queries of tokens below this one attend to everything and are not asked about.
  virtual int64_t everything_below() const { return 0; }
  // Whether select() is asked for each query head by itself.
  virtual bool per_query_head() const { return false; }
  // Whether the policy has a say in a layer: in the others every query attends to everything, and
  // the policy is neither shown anything nor asked.
  virtual bool concerns(int64_t /*layer*/) const { return true; }
  // Changes attention after its softmax: fills `runs` (empty on entry; a part of what select()
  // gave) with entries whose weights are multiplied by the result, from 0 to 1. What they lose goes
  // to the others in proportion to their weights, unless the others have less than a millionth of
  // all. Nothing filled: weights stay. Asked after select(), in the same way.
  virtual float dampen(const StepView& /*step*/, std::vector<Run>& /*runs*/) const { return 1; }
  // Whether what a query sees may be changed by tokens behind it, beyond those that choose together
  // with it: the scores of the tokens of a text mean nothing then.
  virtual bool foresees() const { return false; }
  // Before the queries of a pass attend in a layer, whose keys lie in the past already: once for
  // each KV head, several at a time.
  virtual void observe(const LayerView& /*view*/, int64_t /*kv_head*/) {}
  // Once a layer, after every observe() of the pass and before any select().
  virtual void settle(const LayerView& /*view*/) {}
  // Once for each KV head, several at a time, after settle() and before any select(): where copies
  // of what was chosen are made.
  virtual void arrange(const LayerView& /*view*/, int64_t /*kv_head*/) {}
  // After a pass: how many of `entries` the policy keeps in each layer and KV head, by moving
  // entries over those that are dropped. `tokens` were seen so far.
  virtual int64_t keep(int64_t entries, int64_t /*tokens*/) { return entries; }
  // Fills `moves` (empty on entry): after them entries 0 .. keep() - 1 are what is kept. A move
  // neither reads what an earlier one wrote nor writes what a later one reads.
  virtual void moves(int64_t /*layer*/, int64_t /*kv_head*/, std::vector<Move>& /*moves*/) {}
  // Un-rotated keys of a layer and KV head that the policy holds beside the cache, of every entry
  // that it may choose: single keys that are seen from places of their own are taken from there.
  virtual const PlainKeys* plain_keys(int64_t /*layer*/, int64_t /*kv_head*/) const {
    return nullptr;
  }
  // What select() gives a query that is not asked per head, as copies that are read instead of the
  // cache, and the rest.
  virtual Copies copies(const StepView& /*step*/) const { return {}; }
  virtual PolicyCounters counters() const { return {}; }
  // After attach(): the most that counters().bytes is on the way to a text of `tokens`.
  virtual int64_t bytes_for(int64_t /*tokens*/) const { return 0; }
};

}  // namespace tessera
