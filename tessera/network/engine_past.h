// A past of the engine: keys and values in blocks, and the policy that chooses among them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/network/kv_store.h"
#include "tessera/network/network.h"
#include "tessera/network/policy.h"

namespace tessera {

// What the policies of all pasts of a network hold; pasts may outlive it.
using PolicyBytes = std::atomic<int64_t>;

class EnginePast final : public Past {
 public:
  EnginePast(std::shared_ptr<KvPool> pool, std::unique_ptr<ContextPolicy> chooser,
             std::shared_ptr<PolicyBytes> bytes)
      : store(std::move(pool)), policy(std::move(chooser)), policies(std::move(bytes)) {}
  EnginePast(const EnginePast& other)
      : Past(),
        store(other.store),
        policy(other.policy->clone()),
        policies(other.policies),
        counted(other.counted),
        of_prompt(other.of_prompt),
        prompt(other.prompt),
        dropped(other.dropped),
        next_position(other.next_position) {
    count_policy();
  }
  ~EnginePast() override { *policies -= of_policy; }
  EnginePast& operator=(const EnginePast&) = delete;

  // After whatever lets the policy hold more or less.
  void count_policy() {
    if (!policy->chooses()) return;
    const int64_t bytes = policy->counters().bytes;
    *policies += bytes - of_policy;
    of_policy = bytes;
  }

  int64_t length() const override { return store.entries() + dropped; }
  void announce(int64_t tokens) override {
    prompt = tokens;
    policy->announce(tokens);
  }
  std::unique_ptr<Past> fork() const override { return std::make_unique<EnginePast>(*this); }
  bool can_truncate() const override {
    return store.evicted() == 0 && dropped == 0 && !policy->chooses();
  }

  void truncate(int64_t length) override {
    if (!can_truncate()) {
      throw Error("past",
                  "cannot go back: its policy has evicted " +
                      std::to_string(store.evicted() + dropped) +
                      " tokens for good, or keeps lists of what was chosen",
                  "Start again from the beginning, or use --context full.");
    }
    next_position -= store.entries() - length;
    store.truncate(length);
  }

  bool keeps_everything() const override {
    std::vector<Run> runs;
    policy->evict(int64_t{1} << 40, runs);
    return runs.empty() && can_truncate();
  }

  PastCounters counters() const override {
    PastCounters c = counted;
    const KvShape& s = store.shape();
    const PolicyCounters p = policy->counters();
    c.tokens_seen = length();
    c.entries_resident = store.resident() * s.layers * s.kv_heads;
    c.entries_freed = (store.evicted() + dropped) * s.layers * s.kv_heads;
    c.bytes_freed = c.entries_freed * 2 * s.padded() * cache_bytes(s.type);
    c.bytes_resident = store.bytes();
    c.bytes_policy = p.bytes;
    c.selections = p.selections;
    c.reuses = p.reuses;
    c.decoded_keys_read = c.keys_read - of_prompt.keys_read;
    c.decoded_full_steps = c.full_steps - of_prompt.full_steps;
    c.decoded_steps = c.steps - of_prompt.steps;
    return c;
  }

  KvStore store;
  std::unique_ptr<ContextPolicy> policy;
  std::shared_ptr<PolicyBytes> policies;
  int64_t of_policy = 0;  // this past's part of them
  PastCounters counted;
  PastCounters of_prompt;     // the same when the announced prompt had been read
  int64_t prompt = 0;         // tokens that were announced
  int64_t dropped = 0;        // tokens that a policy has taken out of every layer and head
  int64_t next_position = 0;  // of the next entry, unless its segment brings its own
};

}  // namespace tessera
