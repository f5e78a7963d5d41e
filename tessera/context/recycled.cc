#include "tessera/context/recycled.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/context/primitives.h"
#include "tessera/network/copied_keys.h"

namespace tessera {
namespace {

// What one layer and KV head remembers of the last full step.
struct Recent {
  std::vector<int32_t> list;  // entries that partial steps read, ascending
  CopiedKeys copies;          // of the list's entries
  std::vector<int32_t> held;  // what each place of the copies holds
  std::vector<int32_t>
      order;                 // places of copies, least attended first: they make room for new ones
  size_t next = 0;           // into order
  std::vector<float> query;  // mean over all heads of the layer, at the last full step
  int64_t steps = 0;         // decoded since the prompt
  bool everything = true;    // whether the current step attends to everything
  int64_t made = 0, reused = 0;
};

class Recycled final : public ContextPolicy {
 public:
  explicit Recycled(const RecycledOptions& options) : options_(options) {}

  std::unique_ptr<ContextPolicy> clone() const override {
    return std::make_unique<Recycled>(*this);
  }

  void attach(const Geometry& g) override {
    need_plain_rotary(g, "recycled");
    kv_heads_ = g.kv_heads;
    width_ = (g.head_width + 15) / 16 * 16;
    number_bytes_ = g.number_bytes;
    recent_.resize(static_cast<size_t>(g.layers * g.kv_heads));
  }

  bool chooses() const override { return true; }
  void announce(int64_t tokens) override { prompt_ = tokens; }
  int64_t everything_below() const override { return prompt_; }
  int64_t together(int64_t token, int64_t rows) const override {
    return token < prompt_ ? std::min(rows, prompt_ - token) : 1;
  }

  void observe(const LayerView& view, int64_t kv_head) override {
    Recent& r = recent_[static_cast<size_t>(view.layer() * kv_heads_ + kv_head)];
    const int64_t last = view.rows() - 1;
    const int64_t token = view.first_token() + last;
    if (token + 1 < prompt_) return;
    if (token + 1 == prompt_) {
      r.steps = 0;
      take_query(view, last, r.query);
      refresh(view, kv_head, last, r);
      return;
    }
    // The entry of this token is in reach at once.
    ++r.steps;
    const bool fits = view.entries() <= options_.budget;
    const bool full = fits || r.list.empty() || is_full(view, last, r);
    if (full) take_query(view, last, r.query);
    if (fits) {
      r.everything = true;
      r.list.clear();
      return;
    }
    if (r.list.empty() || (full && options_.refresh)) {
      refresh(view, kv_head, last, r);
    } else {
      admit(view, kv_head, static_cast<int32_t>(view.entries() - 1), r);
    }
    r.everything = full && options_.full;
    if (!full) ++r.reused;
  }

  void select(const StepView& step, std::vector<Run>& runs) const override {
    const Recent& r = recent_[static_cast<size_t>(step.layer * kv_heads_ + step.kv_head)];
    if (r.everything || r.list.empty()) {
      runs.push_back({0, step.index + 1, step.position});
      return;
    }
    for (const int32_t entry : r.list) add_run(runs, entry, entry + 1, step.position);
  }
  Copies copies(const StepView& step) const override {
    const Recent& r = recent_[static_cast<size_t>(step.layer * kv_heads_ + step.kv_head)];
    if (r.everything || r.list.empty()) return {};
    return {&r.copies, step.position, {}};
  }
  void evict(int64_t, std::vector<Run>&) const override {}

  PolicyCounters counters() const override {
    PolicyCounters c;
    for (const Recent& r : recent_) {
      c.selections += r.made;
      c.reuses += r.reused;
      const size_t entries = r.list.capacity() + r.held.capacity() + r.order.capacity();
      c.bytes += r.copies.bytes() + static_cast<int64_t>(entries * sizeof(int32_t) +
                                                         r.query.capacity() * sizeof(float));
    }
    return c;
  }

  int64_t bytes_for(int64_t tokens) const override {
    // The list, its places, their order, and a query.
    const int64_t entries = std::min(tokens, options_.budget + 1);
    const int64_t each = 3 * grown_bytes(entries, sizeof(int32_t)) +
                         CopiedKeys::bytes_for(entries, width_ * number_bytes_ * kBlockKeys) +
                         width_ * static_cast<int64_t>(sizeof(float));
    return static_cast<int64_t>(recent_.size()) * each;
  }

 private:
  bool is_full(const LayerView& view, int64_t row, const Recent& r) const {
    if (options_.when == "stride") return r.steps % options_.stride == 0;
    if (r.steps % options_.compare != 0) return false;
    thread_local std::vector<float> query;
    take_query(view, row, query);
    double dot = 0, a = 0, b = 0;
    for (size_t d = 0; d < query.size(); ++d) {
      dot += static_cast<double>(query[d]) * r.query[d];
      a += static_cast<double>(query[d]) * query[d];
      b += static_cast<double>(r.query[d]) * r.query[d];
    }
    return dot < options_.threshold * std::sqrt(a * b);
  }

  // The mean query of the layer, which every KV head computes for itself.
  void take_query(const LayerView& view, int64_t row, std::vector<float>& out) const {
    const auto width = static_cast<size_t>(view.width());
    const int64_t turn = options_.queries == "plain" ? -view.position(row) : 0;
    thread_local std::vector<float> head;
    head.resize(width);
    out.assign(width, 0.f);
    for (int64_t h = 0; h < view.heads(); ++h) {
      view.query(row, h, turn, head.data());
      for (size_t d = 0; d < width; ++d) out[d] += head[d];
    }
  }

  void refresh(const LayerView& view, int64_t kv_head, int64_t row, Recent& r) {
    const int64_t entries = view.first_entry() + row + 1;
    thread_local std::vector<float> weights, joined;
    attention_rows(view, kv_head, row, entries, weights);
    joined.resize(static_cast<size_t>(entries));
    join_rows(join_of(options_.heads), weights, view.group(), joined);
    best_with_newest(joined, options_.pool, options_.budget, 1, r.list);
    r.held = r.list;
    r.copies.assign(view, kv_head, r.list);
    r.order.resize(r.list.size() - 1);  // the newest stays
    std::iota(r.order.begin(), r.order.end(), 0);
    const auto received = [&](int32_t place) {
      return joined[static_cast<size_t>(r.list[static_cast<size_t>(place)])];
    };
    std::stable_sort(r.order.begin(), r.order.end(),
                     [&](int32_t a, int32_t b) { return received(a) < received(b); });
    r.next = 0;
    r.everything = true;
    if (entries > options_.budget) ++r.made;  // else nothing was left out
  }

  void admit(const LayerView& view, int64_t kv_head, int32_t entry, Recent& r) const {
    size_t place = r.held.size();
    if (static_cast<int64_t>(r.list.size()) < options_.budget) {
      r.held.push_back(entry);
    } else {
      // When all of the full step's picks are gone, the oldest of what came after it.
      place = r.next < r.order.size()
                  ? static_cast<size_t>(r.order[r.next++])
                  : static_cast<size_t>(std::ranges::find(r.held, r.list[0]) - r.held.begin());
      r.list.erase(std::lower_bound(r.list.begin(), r.list.end(), r.held[place]));
      r.held[place] = entry;
    }
    r.copies.put(view, kv_head, static_cast<int64_t>(place), entry);
    r.list.push_back(entry);
  }

  RecycledOptions options_;
  int64_t kv_heads_ = 0, width_ = 0, number_bytes_ = 0, prompt_ = 0;
  std::vector<Recent> recent_;  // [layers, kv_heads]
};

}  // namespace

std::unique_ptr<ContextPolicy> recycled(const RecycledOptions& options) {
  need_odd_pool(options.pool, "recycled");
  // A key of the other way would do nothing.
  const RecycledOptions standard;
  const bool by_stride = options.when == "stride";
  const char* idle = nullptr;
  if (by_stride && options.threshold != standard.threshold) idle = "threshold";
  if (by_stride && options.compare != standard.compare) idle = "compare";
  if (!by_stride && options.stride != standard.stride) idle = "stride";
  if (idle) {
    throw Error(
        std::string("recycled: ") + idle, "does nothing with when=" + options.when,
        std::string("Leave it out, or give when=") + (by_stride ? "compare" : "stride") + ".");
  }
  return std::make_unique<Recycled>(options);
}

}  // namespace tessera
