// Seam 3 as its users see it: vectors and a past go in, hidden states or logits come out. The
// network never sees ids; what turns ids into vectors is an Embedder, what turns hidden states
// into scores is the head.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tessera/files/model_description.h"

namespace tessera {

// What a past holds and what was read from it, counted by the attention layers themselves.
struct PastCounters {
  int64_t tokens_seen = 0;  // positions appended since the past began (less what was truncated)
  int64_t entries_resident = 0;        // keys held, summed over layers and KV heads
  int64_t entries_freed = 0;           // keys that a policy has dropped for good, summed likewise
  int64_t bytes_freed = 0;             // what they took
  int64_t bytes_resident = 0;          // memory held by their blocks
  int64_t bytes_policy = 0;            // what the policy holds beside them
  int64_t selections = 0, reuses = 0;  // lists of keys that a policy made, and used again
  int64_t keys_read = 0;               // keys attended to, summed over queries, layers and KV heads
  int64_t keys_possible = 0;           // the same had every query attended to everything before it
  int64_t full_steps = 0;              // queries x layers x KV heads that attended to everything
  int64_t steps = 0;                   // queries x layers x KV heads
  // Of these, after the announced prompt.
  int64_t decoded_keys_read = 0, decoded_full_steps = 0, decoded_steps = 0;
};

// What a network remembers of a sequence; opaque to the decoder. Belongs to the network that made
// it. Not thread-safe.
class Past {
 public:
  virtual ~Past() = default;
  // Tokens appended so far: the position of the next one.
  virtual int64_t length() const = 0;
  // An independent continuation; shares the memory of what they have in common.
  virtual std::unique_ptr<Past> fork() const = 0;
  // Whether truncate() is possible: not for matrix states and policies that have evicted.
  virtual bool can_truncate() const = 0;
  // Forgets everything from position `length` on. Needs 0 <= length <= length(). Throws Error when
  // !can_truncate().
  virtual void truncate(int64_t length) = 0;
  // Whether can_truncate() stays true however much is appended: what drafts tokens and takes them
  // back needs that.
  virtual bool keeps_everything() const { return can_truncate(); }
  virtual PastCounters counters() const = 0;
  // Says that the first `tokens` of the text are a prompt and what follows is decoded, for policies
  // to which it matters. To be said before the first pass over the prompt.
  virtual void announce(int64_t /*tokens*/) {}
};

// Consecutive vectors of one sequence within a batch.
struct Segment {
  Past* past = nullptr;            // null: no past (encoders), every row sees every row
  std::span<const float> vectors;  // [count, d]
  int64_t count = 0;
  std::span<const int32_t> positions;  // [count]; empty: past->length() and onwards
  // A tree of alternatives: parents[i] < i is the row that row i follows, -1 the past's end. Empty:
  // each row follows the one before it. With a tree the past is not advanced.   [count]
  std::span<const int32_t> parents;
  // Of the last `wanted` rows the hidden state (after the final norm) and the logits are wanted.
  int64_t wanted = 0;
  std::span<float> hidden;  // [wanted, d], or empty
  std::span<float> logits;  // [wanted, vocabulary], or empty
};

class LayerView;

// Is shown the queries and keys of one layer; the view lives as long as the call.
using LayerSink = std::function<void(const LayerView&)>;

// Takes bytes in the order in which they are written.
using ByteSink = std::function<void(std::span<const std::byte>)>;

class Network {
 public:
  virtual ~Network() = default;
  // `context` in it is the longest text that is served.
  virtual const ModelDescription& description() const = 0;
  // What the model was trained for: longer when it was loaded for shorter texts.
  virtual int64_t trained_context() const { return description().context; }
  // `policy`: a spec of the context seam, "full" for everything.
  virtual std::unique_ptr<Past> new_past(const std::string& policy = "full") = 0;
  // Runs all segments in one pass. Segments of one batch have different pasts. The result of a
  // segment does not depend on the others, nor on how a sequence is cut into calls (the same bits
  // with `full`). Throws Error when a position lies beyond what the network can represent.
  virtual void forward(std::span<const Segment> batch) = 0;
  // Rows of the embedding table, scaled as the network expects them.   out [ids, d]
  virtual void embed(std::span<const int32_t> ids, std::span<float> out) = 0;

  // Appends vectors to a past of policy "full" and shows `layer` as it stands before its attention,
  // a few hundred rows at a time. Layers beyond are not computed, so that looking at a middle layer
  // costs half a pass; the past is good for nothing but more of the same. Throws Error where
  // attention is more than the softmax of what LayerView::score() gives: sliding windows, ALiBi,
  // keys in 8 bits, encoders.   vectors [n, d]
  virtual void read_layer(Past& past, std::span<const float> vectors, int64_t layer,
                          const LayerSink& sink);

  // Bytes that all pasts of this network hold together, shared ones once, and what their policies
  // hold beside them. 0: not known.
  virtual int64_t cache_bytes() const { return 0; }
  // The most of these that one past with `policy` holds on the way to `tokens` tokens, `step` at a
  // time.
  virtual int64_t cache_bytes_for(const std::string& policy, int64_t tokens, int64_t step) const {
    static_cast<void>(policy), static_cast<void>(tokens), static_cast<void>(step);
    return 0;
  }
  // What a past remembers, as bytes from which read_past() makes one that gives the same bits in
  // the same build on the same kind of processor. Throws Error for a network whose pasts cannot be
  // written.
  virtual void write_past(const Past& past, const ByteSink& sink) const;
  // Throws Error for bytes that no past of this network and policy can have written, and for a past
  // whose positions have gaps.
  virtual std::unique_ptr<Past> read_past(std::span<const std::byte> bytes,
                                          const std::string& policy);
};

// A network together with its plain embedding table: ids in, logits out. What the decoding
// strategies stand on; tests give them small models of their own.
class CausalModel {
 public:
  virtual ~CausalModel() = default;
  virtual int64_t vocabulary_size() const = 0;
  // Positions that a past may hold: the trained window, unless a policy serves any length.
  virtual int64_t context() const = 0;
  // Positions that it could serve if it were loaded for them.
  virtual int64_t trained_context() const { return context(); }
  virtual std::unique_ptr<Past> new_past() = 0;
  // As Network's, with the policy of this model's pasts.
  virtual int64_t cache_bytes() const { return 0; }
  virtual int64_t cache_bytes_for(int64_t tokens, int64_t step) const {
    static_cast<void>(tokens), static_cast<void>(step);
    return 0;
  }

  // One sequence's share of a batch: appends `ids` to `past`.
  struct Item {
    Past* past = nullptr;
    std::span<const int32_t> ids;
    std::span<const int32_t> parents;  // as Segment::parents
    std::span<float> logits;           // [wanted, vocabulary_size()]: of the last `wanted` ids
    int64_t wanted = 1;
  };
  virtual void forward(std::span<const Item> batch) = 0;
};

}  // namespace tessera
