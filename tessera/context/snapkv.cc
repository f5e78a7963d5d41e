#include "tessera/context/snapkv.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/context/primitives.h"

namespace tessera {
namespace {

class Snapkv final : public ContextPolicy {
 public:
  explicit Snapkv(const SnapkvOptions& options) : options_(options) {}

  std::unique_ptr<ContextPolicy> clone() const override { return std::make_unique<Snapkv>(*this); }

  void attach(const Geometry& g) override {
    need_plain_rotary(g, "snapkv");
    kv_heads_ = g.kv_heads;
    sums_.resize(static_cast<size_t>(g.layers * g.kv_heads));
  }

  bool chooses() const override { return true; }
  void announce(int64_t tokens) override { prompt_ = tokens; }
  // Whatever is held is attended to.
  int64_t everything_below() const override { return std::numeric_limits<int64_t>::max(); }
  // A pass ends where the prompt does: there the choice is made.
  int64_t together(int64_t token, int64_t rows) const override {
    return token < prompt_ ? std::min(rows, prompt_ - token) : rows;
  }

  void observe(const LayerView& view, int64_t kv_head) override {
    const int64_t first = std::max<int64_t>(0, prompt_ - options_.window - view.first_token());
    const int64_t end = std::min(view.rows(), prompt_ - view.first_token());
    if (first >= end) return;
    thread_local std::vector<float> weights, joined;
    std::vector<float>& sums = sums_of(view.layer(), kv_head);
    sums.resize(static_cast<size_t>(view.first_entry() + end), 0.f);
    for (int64_t row = first; row < end; ++row) {
      const int64_t entries = view.first_entry() + row + 1;
      attention_rows(view, kv_head, row, entries, weights);
      joined.resize(static_cast<size_t>(entries));
      join_rows(join_of(options_.heads), weights, view.group(), joined);
      for (size_t i = 0; i < joined.size(); ++i) sums[i] += joined[i];
    }
  }

  void select(const StepView& step, std::vector<Run>& runs) const override {
    runs.push_back({0, step.index + 1, step.position});
  }
  void evict(int64_t, std::vector<Run>&) const override {}

  int64_t keep(int64_t entries, int64_t tokens) override {
    if (tokens != prompt_) return entries;
    const bool fits = entries <= options_.budget;
    if (fits) {
      for (auto& sums : sums_) std::vector<float>().swap(sums);
    }
    return fits ? entries : options_.budget;
  }

  void moves(int64_t layer, int64_t kv_head, std::vector<Move>& moves) override {
    std::vector<float>& sums = sums_of(layer, kv_head);
    std::vector<int32_t> kept;
    best_with_newest(sums, options_.pool, options_.budget, options_.window, kept);
    for (size_t i = 0; i < kept.size(); ++i) {
      if (kept[i] != static_cast<int32_t>(i)) moves.push_back({kept[i], static_cast<int64_t>(i)});
    }
    std::vector<float>().swap(sums);  // nothing is chosen again before another prompt
    ++selections_;
  }

  PolicyCounters counters() const override {
    PolicyCounters c;
    c.selections = selections_;
    for (const auto& sums : sums_) c.bytes += static_cast<int64_t>(sums.capacity() * sizeof(float));
    return c;
  }

  int64_t bytes_for(int64_t tokens) const override {
    return static_cast<int64_t>(sums_.size()) * grown_bytes(tokens, sizeof(float));
  }

 private:
  std::vector<float>& sums_of(int64_t layer, int64_t kv_head) {
    return sums_[static_cast<size_t>(layer * kv_heads_ + kv_head)];
  }

  SnapkvOptions options_;
  int64_t kv_heads_ = 0, prompt_ = 0, selections_ = 0;
  std::vector<std::vector<float>> sums_;  // [layers, kv_heads], weights that entries received
};

}  // namespace

std::unique_ptr<ContextPolicy> snapkv(const SnapkvOptions& options) {
  need_odd_pool(options.pool, "snapkv");
  if (options.window >= options.budget) {
    throw Error("snapkv: window=" + std::to_string(options.window),
                "leaves nothing to choose of a budget of " + std::to_string(options.budget),
                "Give a window below the budget.");
  }
  return std::make_unique<Snapkv>(options);
}

}  // namespace tessera
