#include "tessera/context/token_select.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/context/passes.h"
#include "tessera/context/primitives.h"
#include "tessera/network/copied_keys.h"
#include "tessera/network/plain_keys.h"

namespace tessera {
namespace {

// What a layer remembers in decoding.
struct Layer {
  std::vector<float> query;     // all heads, of the last choice
  std::vector<int32_t> chosen;  // entries
  bool holds = false;           // whether there was one
  int64_t since = 0;            // tokens since then
  int64_t made = 0, reused = 0;
};

class TokenSelect final : public ContextPolicy {
 public:
  explicit TokenSelect(const TokenSelectOptions& options)
      : options_(options),
        most_(options.sinks + options.k + options.local),
        passes_{options.chunk, options.question} {}

  std::unique_ptr<ContextPolicy> clone() const override {
    return std::make_unique<TokenSelect>(*this);
  }

  void attach(const Geometry& g) override {
    need_plain_rotary(g, "token-select");
    if (serves_any_length() && most_ > g.context) {
      throw Error("--context token-select",
                  "sinks + k + local are " + std::to_string(most_) +
                      " tokens, the trained window is " + std::to_string(g.context),
                  "Give a smaller k, or positions=original.");
    }
    kv_heads_ = g.kv_heads;
    copies_.resize(static_cast<size_t>(g.layers * g.kv_heads));
    line_bytes_ = (g.head_width + 15) / 16 * 16 * g.number_bytes;
    plain_.assign(static_cast<size_t>(g.layers * g.kv_heads), PlainKeys(g.head_width));
    layers_.resize(static_cast<size_t>(g.layers));
    votes_.resize(static_cast<size_t>(g.kv_heads));
  }

  bool serves_any_length() const override { return options_.positions == "slot"; }
  bool chooses() const override { return true; }
  void announce(int64_t tokens) override {
    passes_.prompt = tokens;
    // What is read before the next decoded token has moved every slot.
    for (Layer& layer : layers_) layer.holds = false;
  }
  int64_t everything_below() const override { return 0; }

  int64_t together(int64_t token, int64_t rows) const override {
    return passes_.together(token, rows);
  }

  void observe(const LayerView& view, int64_t kv_head) override {
    PlainKeys& plain = plain_[static_cast<size_t>(view.layer() * kv_heads_ + kv_head)];
    thread_local std::vector<float> queries, scores;
    plain.follow(view, kv_head);
    const Layer& layer = layers_[static_cast<size_t>(view.layer())];
    const int64_t n = view.group(), width = view.width(), groups = passes_.groups(view);
    std::vector<float>& votes = votes_[static_cast<size_t>(kv_head)];
    votes.clear();
    for (int64_t g = 0; g < groups; ++g) {
      const Group group = passes_.group(view, g);
      const int64_t candidates = candidates_of(group);
      if (candidates == 0 || reuses(view, layer)) continue;
      const size_t at = votes.size();
      votes.resize(at + static_cast<size_t>(candidates), 0.f);
      queries.resize(static_cast<size_t>(n * width));
      scores.resize(static_cast<size_t>(std::min(n, kAttendRows) * candidates));
      for (int64_t h = 0; h < n; ++h) {
        take_query(view, group, kv_head * n + h, queries.data() + h * width);
      }
      for (int64_t first = 0; first < n; first += kAttendRows) {
        const int64_t some = std::min(n - first, kAttendRows);
        plain.score(queries.data() + first * width, some, width, options_.sinks,
                    options_.sinks + candidates, options_.bits == "16", scores.data());
        for (int64_t h = 0; h < some; ++h) {
          float* row = scores.data() + h * candidates;
          if (options_.vote == "soft") kernels().softmax(row, candidates);
          kernels().add_scaled(votes.data() + at, row, 1, candidates, votes.data() + at);
        }
      }
    }
  }

  // Joins the votes of the KV heads, always in the same order.
  void settle(const LayerView& view) override {
    Layer& layer = layers_[static_cast<size_t>(view.layer())];
    const int64_t groups = passes_.groups(view);
    chosen_.resize(static_cast<size_t>(groups));
    const bool again = reuses(view, layer);
    size_t at = 0;
    for (int64_t g = 0; g < groups; ++g) {
      const Group group = passes_.group(view, g);
      std::vector<int32_t>& chosen = chosen_[static_cast<size_t>(g)];
      const auto candidates = static_cast<size_t>(candidates_of(group));
      chosen.clear();
      if (candidates == 0) continue;
      if (again) {
        chosen = layer.chosen;
        ++layer.since;
        ++layer.reused;
        continue;
      }
      sum_.assign(candidates, 0.f);
      for (const auto& votes : votes_) {
        kernels().add_scaled(sum_.data(), votes.data() + at, 1, static_cast<int64_t>(candidates),
                             sum_.data());
      }
      at += candidates;
      pooled_.resize(candidates);
      pool_largest(sum_, options_.pool, pooled_);
      best_.choose(pooled_, options_.k, chosen);
      for (int32_t& entry : chosen) entry += static_cast<int32_t>(options_.sinks);
      ++layer.made;
      if (!passes_.decoding(view)) continue;
      layer.since = 0;
      layer.chosen = chosen;
      layer.holds = true;
      take_queries(view, layer.query);
    }
  }

  // A list that decoding may use again is copied when it is made: its keys stay in their slots, and
  // are turned to where those lie once.
  void arrange(const LayerView& view, int64_t kv_head) override {
    const Layer& layer = layers_[static_cast<size_t>(view.layer())];
    if (!passes_.decoding(view) || !layer.holds || layer.since > 0) return;
    thread_local std::vector<TurnedKey> list;
    list.clear();
    const int64_t moved = view.position(0) - view.first_entry();  // from entries to positions
    const auto add = [&](int64_t entry) {
      const auto slot = static_cast<int64_t>(list.size());
      list.push_back({entry, serves_any_length() ? slot - (entry + moved) : 0});
    };
    for (int64_t e = 0; e < options_.sinks; ++e) add(e);
    for (const int32_t entry : layer.chosen) add(entry);
    const auto at = static_cast<size_t>(view.layer() * kv_heads_ + kv_head);
    copies_[at].assign(view, kv_head, &plain_[at], list);
  }

  Copies copies(const StepView& step) const override {
    if (!step.view || !passes_.decoding(*step.view) || step.index + 1 <= most_) return {};
    return {&copies_[static_cast<size_t>(step.layer * kv_heads_ + step.kv_head)],
            serves_any_length() ? most_ - 1 : step.position,
            {step.index + 1 - options_.local, step.index + 1, step.position}};
  }

  void select(const StepView& step, std::vector<Run>& runs) const override {
    const int64_t entries = step.index + 1;
    const int64_t number = step.view ? passes_.number_holding(*step.view, step.row) : 0;
    const Group group = step.view ? passes_.group(*step.view, number) : Group{0, 1, entries};
    if (!step.view || group.end <= most_) {
      runs.push_back({0, entries, step.position});
      return;
    }
    const std::vector<int32_t>& chosen = chosen_[static_cast<size_t>(number)];
    if (!serves_any_length()) {
      add_run(runs, 0, options_.sinks, step.position);
      for (const int32_t entry : chosen) add_run(runs, entry, entry + 1, step.position);
      add_run(runs, group.end - options_.local, entries, step.position);
      return;
    }
    // An entry that lies in slot j is seen from slot most_ - 1 of the group's last row; the newest
    // ones lie at their own distances.
    const int64_t shift = group.end - most_;  // from slots of the newest to entries
    int64_t slot = 0;
    auto add = [&](int64_t begin, int64_t end) {
      add_run(runs, begin, end, step.position - shift + begin - slot);
      slot += end - begin;
    };
    add(0, options_.sinks);
    for (const int32_t entry : chosen) add(entry, entry + 1);
    add_run(runs, group.end - options_.local, entries, step.position);
  }
  void evict(int64_t, std::vector<Run>&) const override {}

  const PlainKeys* plain_keys(int64_t layer, int64_t kv_head) const override {
    return &plain_[static_cast<size_t>(layer * kv_heads_ + kv_head)];
  }

  PolicyCounters counters() const override {
    PolicyCounters c;
    for (const Layer& l : layers_) {
      c.selections += l.made;
      c.reuses += l.reused;
    }
    for (const PlainKeys& k : plain_) c.bytes += k.bytes();
    for (const CopiedKeys& k : copies_) c.bytes += k.bytes();
    return c;
  }

  int64_t bytes_for(int64_t tokens) const override {
    int64_t bytes = 0;
    for (const PlainKeys& k : plain_) bytes += k.bytes_for(tokens);
    if (tokens > most_) {
      bytes += static_cast<int64_t>(copies_.size()) *
               CopiedKeys::bytes_for(options_.sinks + options_.k, line_bytes_ * kBlockKeys);
    }
    return bytes;
  }

 private:
  int64_t candidates_of(const Group& group) const {
    return group.end <= most_ ? 0 : group.end - options_.sinks - options_.local;
  }

  // The query by which a group chooses: as if it stood `local` tokens after every key.   out
  // [width]
  void take_query(const LayerView& view, const Group& group, int64_t head, float* out) const {
    thread_local std::vector<float> one;
    const int64_t width = view.width();
    one.resize(static_cast<size_t>(width));
    std::fill_n(out, width, 0.f);
    for (int64_t i = 0; i < group.count; ++i) {
      const int64_t row = group.first + i;
      view.query(row, head, options_.local + i - view.position(row), one.data());
      for (int64_t d = 0; d < width; ++d) out[d] += one[static_cast<size_t>(d)];
    }
    const float factor =
        1 / (static_cast<float>(group.count) * (options_.scale ? 1.f : view.scale()));
    for (int64_t d = 0; d < width; ++d) out[d] *= factor;
  }

  void take_queries(const LayerView& view, std::vector<float>& out) const {
    out.resize(static_cast<size_t>(view.heads() * view.width()));
    for (int64_t h = 0; h < view.heads(); ++h) {
      take_query(view, {0, 1, view.entries()}, h, out.data() + h * view.width());
    }
  }

  // Whether a decoded token sees the list of an earlier one: its query has not turned away, and no
  // more than `local` tokens have left the newest ones unseen by a choice.
  bool reuses(const LayerView& view, const Layer& layer) const {
    if (!passes_.decoding(view) || !layer.holds || options_.theta > 1 ||
        layer.since + 1 >= options_.local) {
      return false;
    }
    thread_local std::vector<float> query;
    take_queries(view, query);
    double dot = 0, a = 0, b = 0;
    for (size_t d = 0; d < query.size(); ++d) {
      dot += static_cast<double>(query[d]) * layer.query[d];
      a += static_cast<double>(query[d]) * query[d];
      b += static_cast<double>(layer.query[d]) * layer.query[d];
    }
    return dot >= options_.theta * std::sqrt(a * b);
  }

  TokenSelectOptions options_;
  int64_t most_;
  Passes passes_;
  int64_t kv_heads_ = 0, line_bytes_ = 0;
  std::vector<PlainKeys> plain_;    // [layers, kv_heads]
  std::vector<CopiedKeys> copies_;  // [layers, kv_heads], the first and the chosen, in their slots
  std::vector<Layer> layers_;
  // Of the layer that is being computed.
  std::vector<std::vector<float>> votes_;     // [kv_heads], candidates of each group in a row
  std::vector<std::vector<int32_t>> chosen_;  // [groups]
  std::vector<float> sum_, pooled_;
  BestOf best_;
};

}  // namespace

std::unique_ptr<ContextPolicy> token_select(const TokenSelectOptions& options) {
  need_odd_pool(options.pool, "token-select");
  if (options.chunk > options.local) {
    throw Error("token-select: chunk=" + std::to_string(options.chunk),
                "is larger than local=" + std::to_string(options.local) +
                    ": its first tokens would not see themselves",
                "Give a chunk of at most `local`.");
  }
  if (options.theta > 1 && options.theta != 2) {
    throw Error("token-select: theta", "lies above 1, which no cosine passes",
                "Give -1 to 1, or 2 to choose anew for every token.");
  }
  return std::make_unique<TokenSelect>(options);
}

}  // namespace tessera
