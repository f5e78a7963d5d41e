#include "tessera/context/h2o.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/context/primitives.h"

namespace tessera {
namespace {

// What the entries of one layer and KV head have received, and which tokens they are.
struct Received {
  std::vector<float> sums;
  std::vector<int64_t> tokens;
};

class H2o final : public ContextPolicy {
 public:
  explicit H2o(const H2oOptions& options) : options_(options) {}

  std::unique_ptr<ContextPolicy> clone() const override { return std::make_unique<H2o>(*this); }

  void attach(const Geometry& g) override {
    need_plain_rotary(g, "h2o");
    kv_heads_ = g.kv_heads;
    received_.resize(static_cast<size_t>(g.layers * g.kv_heads));
  }

  bool chooses() const override { return true; }
  void announce(int64_t tokens) override { prompt_ = tokens; }
  int64_t everything_below() const override { return std::numeric_limits<int64_t>::max(); }
  // A prompt is read whole; after it an entry goes for each one that comes.
  int64_t together(int64_t token, int64_t rows) const override {
    return token < prompt_ ? std::min(rows, prompt_ - token) : 1;
  }

  void observe(const LayerView& view, int64_t kv_head) override {
    thread_local std::vector<float> weights;
    Received& r = received_[static_cast<size_t>(view.layer() * kv_heads_ + kv_head)];
    for (int64_t row = 0; row < view.rows(); ++row) {
      const int64_t entries = view.first_entry() + row + 1;
      r.sums.resize(static_cast<size_t>(entries), 0.f);
      r.tokens.resize(static_cast<size_t>(entries), view.first_token() + row);
      attention_rows(view, kv_head, row, entries, weights);
      for (int64_t h = 0; h < view.group(); ++h) {
        const float* from = weights.data() + h * entries;
        for (size_t i = 0; i < r.sums.size(); ++i) r.sums[i] += from[i];
      }
    }
  }

  void select(const StepView& step, std::vector<Run>& runs) const override {
    runs.push_back({0, step.index + 1, step.position});
  }
  void evict(int64_t, std::vector<Run>&) const override {}

  int64_t keep(int64_t entries, int64_t tokens) override {
    tokens_ = tokens;
    return tokens < prompt_ ? entries : std::min(entries, options_.budget);
  }

  void moves(int64_t layer, int64_t kv_head, std::vector<Move>& moves) override {
    Received& r = received_[static_cast<size_t>(layer * kv_heads_ + kv_head)];
    const auto most = static_cast<size_t>(options_.budget);
    // The newest outrank any sum.
    std::vector<float> scores = r.sums;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (r.tokens[i] >= tokens_ - options_.local) scores[i] = std::numeric_limits<float>::max();
    }
    std::vector<int32_t> kept;
    best_.choose(scores, options_.budget, kept);
    // Kept entries that lie beyond the budget fill the places of those that go.
    size_t from = static_cast<size_t>(
        std::lower_bound(kept.begin(), kept.end(), static_cast<int32_t>(most)) - kept.begin());
    size_t at = 0;
    for (size_t to = 0; to < most; ++to) {
      if (at < kept.size() && kept[at] == static_cast<int32_t>(to)) {
        ++at;
        continue;
      }
      const auto source = static_cast<size_t>(kept[from++]);
      moves.push_back({static_cast<int64_t>(source), static_cast<int64_t>(to)});
      r.sums[to] = r.sums[source];
      r.tokens[to] = r.tokens[source];
    }
    keep_first(r.sums, most);
    keep_first(r.tokens, most);
    ++selections_;
  }

  PolicyCounters counters() const override {
    PolicyCounters c;
    c.selections = selections_;
    for (const Received& r : received_) {
      c.bytes += static_cast<int64_t>(r.sums.capacity() * sizeof(float) +
                                      r.tokens.capacity() * sizeof(int64_t));
    }
    return c;
  }

  int64_t bytes_for(int64_t tokens) const override {
    return static_cast<int64_t>(received_.size()) *
           grown_bytes(tokens, sizeof(float) + sizeof(int64_t));
  }

 private:
  // The first `most`, and room for the one that comes next: what a prompt took is given back.
  template <class T>
  static void keep_first(std::vector<T>& list, size_t most) {
    list.resize(most);
    if (list.capacity() <= most + 1) return;
    std::vector<T> fits;
    fits.reserve(most + 1);
    fits.assign(list.begin(), list.end());
    list.swap(fits);
  }

  H2oOptions options_;
  int64_t kv_heads_ = 0, prompt_ = 0, tokens_ = 0, selections_ = 0;
  std::vector<Received> received_;  // [layers, kv_heads]
  BestOf best_;
};

}  // namespace

std::unique_ptr<ContextPolicy> h2o(const H2oOptions& options) {
  if (options.local >= options.budget) {
    throw Error("h2o: local=" + std::to_string(options.local),
                "leaves nothing to choose of a budget of " + std::to_string(options.budget),
                "Give a local part below the budget.");
  }
  H2oOptions whole = options;
  if (whole.local == 0) whole.local = whole.budget / 2;
  return std::make_unique<H2o>(whole);
}

}  // namespace tessera
