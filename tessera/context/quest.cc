#include "tessera/context/quest.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/context/primitives.h"

namespace tessera {
namespace {

// Pages that are read whatever they score.
constexpr int64_t kFirstPages = 1, kNewestPages = 4;

// The pages of one layer and KV head that are full.
struct Pages {
  KeyBlocks least, greatest;
  std::vector<float> open_least, open_greatest;  // of the page that is being filled
  int64_t filled = 0;                            // entries seen
};

class Quest final : public ContextPolicy {
 public:
  explicit Quest(const QuestOptions& options) : options_(options) {}

  std::unique_ptr<ContextPolicy> clone() const override { return std::make_unique<Quest>(*this); }

  void attach(const Geometry& g) override {
    need_plain_rotary(g, "quest");
    kv_heads_ = g.kv_heads;
    const int64_t width = (g.head_width + 15) / 16 * 16;
    // Bounds are numbers of the cache, and are held as it holds them.
    const CacheType type = g.number_bytes == 2 ? CacheType::f16 : CacheType::f32;
    pages_.assign(static_cast<size_t>(g.layers * g.kv_heads),
                  {KeyBlocks(width, type), KeyBlocks(width, type), {}, {}, 0});
  }

  bool chooses() const override { return true; }
  void announce(int64_t tokens) override { prompt_ = tokens; }
  int64_t everything_below() const override { return prompt_; }
  bool per_query_head() const override { return true; }

  void observe(const LayerView& view, int64_t kv_head) override {
    if (view.layer() < options_.dense_layers) return;
    Pages& p = pages_[static_cast<size_t>(view.layer() * kv_heads_ + kv_head)];
    const CacheType type = view.store().shape().type;
    if (p.filled == 0) p.least = p.greatest = KeyBlocks(view.width(), type);
    thread_local std::vector<float> key;
    key.resize(static_cast<size_t>(view.head_width()));
    for (; p.filled < view.entries(); ++p.filled) {
      view.key(kv_head, p.filled, key.data());
      if (p.filled % options_.page == 0) {
        p.open_least = p.open_greatest = key;
      } else {
        for (size_t d = 0; d < key.size(); ++d) {
          p.open_least[d] = std::min(p.open_least[d], key[d]);
          p.open_greatest[d] = std::max(p.open_greatest[d], key[d]);
        }
      }
      if ((p.filled + 1) % options_.page == 0) {
        p.least.append(p.open_least);
        p.greatest.append(p.open_greatest);
      }
    }
  }

  void select(const StepView& step, std::vector<Run>& runs) const override {
    const int64_t entries = step.index + 1, page = options_.page;
    const int64_t pages = (entries + page - 1) / page, most = options_.budget / page;
    if (step.layer < options_.dense_layers || pages <= most || !step.view) {
      runs.push_back({0, entries, step.position});
      return;
    }
    // What a page can reach: the sum over dimensions of the larger of query x least and query x
    // greatest, which is one product with the query's positive part and one with its negative.
    const Pages& p = pages_[static_cast<size_t>(step.layer * kv_heads_ + step.kv_head)];
    const LayerView& view = *step.view;
    const int64_t width = view.width(), newest = pages - kNewestPages;
    thread_local std::vector<float> query, reach, low;
    thread_local std::vector<int32_t> chosen;
    thread_local BestOf best;
    query.resize(static_cast<size_t>(2 * width));
    view.query(step.row, step.head, 0, query.data());
    for (int64_t d = 0; d < width; ++d) {
      float& positive = query[static_cast<size_t>(d)];
      query[static_cast<size_t>(width + d)] = std::min(positive, 0.f);
      positive = std::max(positive, 0.f);
    }
    const auto n = static_cast<size_t>(newest - kFirstPages);
    reach.resize(n);
    low.resize(n);
    p.greatest.score(query.data(), 1, kFirstPages, newest, reach.data(), newest);
    p.least.score(query.data() + width, 1, kFirstPages, newest, low.data(), newest);
    for (size_t i = 0; i < n; ++i) reach[i] += low[i];
    best.choose(reach, most - kFirstPages - kNewestPages, chosen);
    add_run(runs, 0, kFirstPages * page, step.position);
    for (const int32_t i : chosen) {
      const int64_t at = (kFirstPages + i) * page;
      add_run(runs, at, at + page, step.position);
    }
    add_run(runs, newest * page, entries, step.position);
    std::atomic_ref(selections_).fetch_add(1, std::memory_order_relaxed);
  }

  void evict(int64_t, std::vector<Run>&) const override {}

  PolicyCounters counters() const override {
    PolicyCounters c;
    c.selections = selections_;
    for (const Pages& p : pages_) c.bytes += p.least.bytes() + p.greatest.bytes();
    return c;
  }

  int64_t bytes_for(int64_t tokens) const override {
    int64_t bytes = 0;
    for (const Pages& p : pages_) {
      bytes +=
          p.least.bytes_for(tokens / options_.page) + p.greatest.bytes_for(tokens / options_.page);
    }
    return bytes;
  }

 private:
  QuestOptions options_;
  int64_t kv_heads_ = 0, prompt_ = 0;
  std::vector<Pages> pages_;  // [layers, kv_heads]
  alignas(8) mutable int64_t selections_ = 0;
};

}  // namespace

std::unique_ptr<ContextPolicy> quest(const QuestOptions& options) {
  constexpr int64_t kLeastPages = kFirstPages + kNewestPages + 1;
  if (options.budget / options.page < kLeastPages) {
    throw Error("quest: budget=" + std::to_string(options.budget),
                "holds fewer than " + std::to_string(kLeastPages) + " pages of " +
                    std::to_string(options.page) +
                    " keys; the first page and the newest four are always read",
                "Give at least " + std::to_string(kLeastPages * options.page) + ".");
  }
  return std::make_unique<Quest>(options);
}

}  // namespace tessera
