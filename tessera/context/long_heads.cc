#include "tessera/context/long_heads.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/context/primitives.h"

namespace tessera {
namespace {

// The first chunk, the one before the query's and the query's own are always read.
constexpr int64_t kForced = 3;

class LongHeads final : public ContextPolicy {
 public:
  explicit LongHeads(const LongHeadsOptions& options) : options_(options) {}

  std::unique_ptr<ContextPolicy> clone() const override {
    return std::make_unique<LongHeads>(*this);
  }

  void attach(const Geometry& g) override {
    need_plain_rotary(g, "long-heads");
    if (options_.budget > g.context) {
      throw Error("--context long-heads",
                  "budget is " + std::to_string(options_.budget) + ", the trained window " +
                      std::to_string(g.context) + " tokens",
                  "Give a smaller budget and begin.");
    }
    heads_ = g.heads;
    width_ = (g.head_width + 15) / 16 * 16;
    summaries_.assign(static_cast<size_t>(g.layers * g.heads), KeyBlocks(width_, CacheType::f32));
    open_.resize(static_cast<size_t>(g.layers * g.heads));
  }

  bool serves_any_length() const override { return true; }
  bool chooses() const override { return true; }
  int64_t everything_below() const override { return options_.begin; }
  bool per_query_head() const override { return true; }

  void observe(const LayerView& view, int64_t kv_head) override {
    const int64_t width = view.width(), chunk = options_.chunk;
    for (int64_t row = 0; row < view.rows(); ++row) {
      const int64_t offset = (view.first_entry() + row) % chunk;
      for (int64_t h = kv_head * view.group(); h < (kv_head + 1) * view.group(); ++h) {
        std::vector<float>& open = open_of(view.layer(), h);
        open.resize(static_cast<size_t>(chunk * width));
        view.query(row, h, offset - view.position(row), open.data() + offset * width);
      }
      if (offset + 1 == chunk) summarise(view, kv_head, view.first_entry() + row + 1);
    }
  }

  void select(const StepView& step, std::vector<Run>& runs) const override {
    const int64_t chunk = options_.chunk, current = step.index / chunk;
    const int64_t slots = std::min(options_.budget / chunk, current + 1);
    if (slots == current + 1 || !step.view) {
      runs.push_back({0, step.index + 1, step.position});
      return;
    }
    thread_local std::vector<float> scores;
    thread_local std::vector<int32_t> chosen;
    thread_local BestOf best;
    scores.resize(static_cast<size_t>(current - 2));  // chunks 1 .. current - 2
    score_chunks(*step.view, step.row, step.head, scores);
    best.choose(scores, slots - kForced, chosen);
    // A chunk in slot r is seen from slots - 1 - r chunks away and the query's own offset.
    int64_t slot = 0;
    const int64_t offset = step.index % chunk;
    const int64_t base = step.position - step.index;
    auto add = [&](int64_t g, int64_t end) {
      const int64_t begin = g * chunk;
      add_run(runs, begin, end, base + begin + (slots - 1 - slot) * chunk + offset);
      ++slot;
    };
    add(0, chunk);
    for (const int32_t i : chosen) add(i + 1, (i + 2) * chunk);
    add(current - 1, current * chunk);
    add(current, step.index + 1);
    std::atomic_ref(selections_).fetch_add(1, std::memory_order_relaxed);
  }
  void evict(int64_t, std::vector<Run>&) const override {}

  PolicyCounters counters() const override {
    PolicyCounters c;
    c.selections = selections_;
    for (const KeyBlocks& s : summaries_) c.bytes += s.bytes();
    for (const auto& o : open_) c.bytes += static_cast<int64_t>(o.capacity() * sizeof(float));
    return c;
  }

  int64_t bytes_for(int64_t tokens) const override {
    int64_t bytes = static_cast<int64_t>(open_.size() * sizeof(float)) * options_.chunk * width_;
    for (const KeyBlocks& s : summaries_) bytes += s.bytes_for(tokens / options_.chunk);
    return bytes;
  }

 private:
  std::vector<float>& open_of(int64_t layer, int64_t head) {
    return open_[static_cast<size_t>(layer * heads_ + head)];
  }

  // The summaries of the chunk that ends before entry `end`, for each query head of a group: the
  // chunk's queries attend to the whole chunk, and the mean of what they gather, taken as a query,
  // gathers keys. The mean of the weights gathers the same as the mean of what is gathered.
  void summarise(const LayerView& view, int64_t kv_head, int64_t end) {
    const int64_t width = view.width(), chunk = options_.chunk, head_width = view.head_width();
    const auto columns = static_cast<size_t>(chunk);
    KeyBlocks blocks(width, CacheType::f32);
    std::vector<float> keys(static_cast<size_t>(chunk * head_width)),
        values(static_cast<size_t>(chunk * head_width));
    const int64_t base = view.position(0) - view.first_entry();
    for (int64_t j = 0; j < chunk; ++j) {
      const int64_t entry = end - chunk + j;
      float* key = keys.data() + j * head_width;
      view.key(kv_head, entry, key);
      view.turn(key, j - (base + entry));
      view.value(kv_head, entry, values.data() + j * head_width);
      blocks.append({key, static_cast<size_t>(head_width)});
    }
    std::vector<float> rows(static_cast<size_t>(kAttendRows) * columns), mean(columns),
        query(static_cast<size_t>(width)), summary(static_cast<size_t>(head_width));
    for (int64_t h = kv_head * view.group(); h < (kv_head + 1) * view.group(); ++h) {
      const std::vector<float>& open = open_of(view.layer(), h);
      std::fill(mean.begin(), mean.end(), 0.f);
      for (int64_t i = 0; i < chunk; i += kAttendRows) {
        const int64_t n = std::min(kAttendRows, chunk - i);
        blocks.score(open.data() + i * width, n, 0, chunk, rows.data(), chunk);
        for (int64_t r = 0; r < n; ++r) {
          float* row = rows.data() + r * chunk;
          kernels().softmax(row, chunk);
          kernels().add_scaled(mean.data(), row, 1 / static_cast<float>(chunk), chunk, mean.data());
        }
      }
      gather(mean, values, summary);
      std::fill(query.begin(), query.end(), 0.f);
      for (size_t d = 0; d < summary.size(); ++d) query[d] = summary[d] * view.scale();
      blocks.score(query.data(), 1, 0, chunk, mean.data(), chunk);
      kernels().softmax(mean.data(), chunk);
      gather(mean, keys, summary);
      summaries_[static_cast<size_t>(view.layer() * heads_ + h)].append(summary);
    }
  }

  //   weights [chunk]   vectors [chunk, width of out]
  static void gather(const std::vector<float>& weights, const std::vector<float>& vectors,
                     std::vector<float>& out) {
    std::fill(out.begin(), out.end(), 0.f);
    for (size_t j = 0; j < weights.size(); ++j) {
      for (size_t d = 0; d < out.size(); ++d) out[d] += weights[j] * vectors[j * out.size() + d];
    }
  }

  // Scores of chunks 1 .. scores.size() by the un-rotated query of a row.
  void score_chunks(const LayerView& view, int64_t row, int64_t head,
                    std::vector<float>& scores) const {
    thread_local std::vector<float> query, one;
    query.resize(static_cast<size_t>(view.width()));
    const auto n = static_cast<int64_t>(scores.size());
    auto score = [&](int64_t h, float* out) {
      view.query(row, h, -view.position(row), query.data());
      summaries_[static_cast<size_t>(view.layer() * heads_ + h)].score(query.data(), 1, 1, n + 1,
                                                                       out, n);
    };
    if (options_.share == "head") {
      score(head, scores.data());
      return;
    }
    one.resize(scores.size());
    std::fill(scores.begin(), scores.end(), 0.f);
    for (int64_t h = 0; h < view.heads(); ++h) {
      score(h, one.data());
      kernels().softmax(one.data(), n);
      kernels().add_scaled(scores.data(), one.data(), 1, n, scores.data());
    }
  }

  LongHeadsOptions options_;
  int64_t heads_ = 0, width_ = 0;
  std::vector<KeyBlocks> summaries_;      // of full chunks, [layers, heads]
  std::vector<std::vector<float>> open_;  // queries of the open chunk, turned to their offset in it
  alignas(8) mutable int64_t selections_ = 0;
};

}  // namespace

std::unique_ptr<ContextPolicy> long_heads(const LongHeadsOptions& options) {
  const std::string where = "long-heads: budget=" + std::to_string(options.budget);
  if (options.budget % options.chunk != 0 || options.budget / options.chunk < kForced + 1) {
    throw Error(where,
                "is not four or more whole chunks of " + std::to_string(options.chunk) + " tokens",
                "Give a multiple of the chunk.");
  }
  if (options.begin > options.budget) {
    throw Error(where,
                "begin=" + std::to_string(options.begin) +
                    " lies beyond it: positions would leave the budget",
                "Give a begin of at most the budget.");
  }
  return std::make_unique<LongHeads>(options);
}

}  // namespace tessera
