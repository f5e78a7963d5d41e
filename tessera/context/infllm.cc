#include "tessera/context/infllm.h"

#include <algorithm>
#include <string>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/context/passes.h"
#include "tessera/context/primitives.h"
#include "tessera/network/copied_keys.h"

namespace tessera {
namespace {

// The blocks of one layer and KV head.
struct Memory {
  KeyBlocks means;              // of each block's representatives, un-rotated
  std::vector<float> received;  // attention that entries received while they were local
  CopiedKeys copies;            // in decoding: the first entries and those of blocks, un-rotated
  std::vector<int32_t> copied;  // the blocks
};

class Infllm final : public ContextPolicy {
 public:
  explicit Infllm(const InfllmOptions& options)
      : options_(options), passes_{options.chunk, options.question} {}

  std::unique_ptr<ContextPolicy> clone() const override { return std::make_unique<Infllm>(*this); }

  void attach(const Geometry& g) override {
    need_plain_rotary(g, "infllm");
    const int64_t most =
        options_.sinks + (options_.k + 1) * options_.block + options_.local + options_.chunk;
    if (most > g.context) {
      throw Error("--context infllm",
                  "sinks, k + 1 blocks, local and chunk are " + std::to_string(most) +
                      " tokens, the trained window is " + std::to_string(g.context),
                  "Give a smaller local part or fewer blocks.");
    }
    kv_heads_ = g.kv_heads;
    const int64_t width = (g.head_width + 15) / 16 * 16;
    memory_.assign(static_cast<size_t>(g.layers * g.kv_heads),
                   {KeyBlocks(width, CacheType::f32), {}, {}, {}});
    line_bytes_ = width * g.number_bytes;
    scores_.resize(static_cast<size_t>(g.kv_heads));
  }

  bool serves_any_length() const override { return true; }
  bool chooses() const override { return true; }
  void announce(int64_t tokens) override { passes_.prompt = tokens; }
  int64_t together(int64_t token, int64_t rows) const override {
    return passes_.together(token, rows);
  }

  void observe(const LayerView& view, int64_t kv_head) override {
    Memory& m = memory_[static_cast<size_t>(view.layer() * kv_heads_ + kv_head)];
    thread_local std::vector<float> query, one;
    receive(view, kv_head, m);
    while (options_.sinks + (m.means.size() + 1) * options_.block <=
           view.entries() - options_.local) {
      append_block(view, kv_head, m);
    }
    std::vector<float>& scores = scores_[static_cast<size_t>(kv_head)];
    scores.clear();
    query.resize(static_cast<size_t>(view.width()));
    for (int64_t g = 0; g < passes_.groups(view); ++g) {
      const Group group = passes_.group(view, g);
      const int64_t blocks = blocks_of(group);
      if (blocks <= options_.k) continue;
      const size_t at = scores.size();
      scores.resize(at + static_cast<size_t>(blocks), 0.f);
      one.resize(static_cast<size_t>(blocks));
      for (int64_t h = kv_head * view.group(); h < (kv_head + 1) * view.group(); ++h) {
        mean_query(view, group, h, query);
        m.means.score(query.data(), 1, 0, blocks, one.data(), blocks);
        kernels().add_scaled(scores.data() + at, one.data(), 1, blocks, scores.data() + at);
      }
    }
  }

  // Joins the scores of the KV heads, always in the same order.
  void settle(const LayerView& view) override {
    const int64_t groups = passes_.groups(view);
    chosen_.resize(static_cast<size_t>(groups));
    size_t at = 0;
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t blocks = blocks_of(passes_.group(view, g));
      if (blocks <= options_.k) continue;
      sum_.assign(static_cast<size_t>(blocks), 0.f);
      for (const auto& scores : scores_) {
        kernels().add_scaled(sum_.data(), scores.data() + at, 1, blocks, sum_.data());
      }
      at += static_cast<size_t>(blocks);
      best_.choose(sum_, options_.k, chosen_[static_cast<size_t>(g)]);
      ++selections_;
    }
  }

  // All that is copied is seen from one distance: the copy of a block serves while it is chosen.
  void arrange(const LayerView& view, int64_t kv_head) override {
    if (!copies_serve(view)) return;
    Memory& m = memory_[static_cast<size_t>(view.layer() * kv_heads_ + kv_head)];
    const std::vector<int32_t>& chosen = chosen_[0];
    const auto holds = [](const std::vector<int32_t>& list, int32_t block) {
      return std::ranges::find(list, block) != list.end();
    };
    thread_local std::vector<int32_t> missing;
    missing.clear();
    for (const int32_t b : chosen) {
      if (!holds(m.copied, b)) missing.push_back(b);
    }
    if (missing.empty()) return;
    thread_local std::vector<TurnedKey> list;
    const int64_t moved = view.position(0) - view.first_entry();  // from entries to positions
    const auto add = [&](int64_t begin, int64_t end) {
      for (int64_t e = begin; e < end; ++e) list.push_back({e, -(e + moved)});
    };
    const auto add_block = [&](int32_t b) {
      const int64_t begin = options_.sinks + b * options_.block;
      add(begin, begin + options_.block);
    };
    if (m.copied.empty() || options_.block % kPlacedTogether != 0) {
      m.copied = chosen;
      list.clear();
      for (const int32_t b : chosen) add_block(b);
      add(0, options_.sinks);
      m.copies.assign(view, kv_head, nullptr, list);
      return;
    }
    size_t next = 0;
    for (size_t i = 0; i < m.copied.size(); ++i) {
      if (holds(chosen, m.copied[i])) continue;
      m.copied[i] = missing[next++];
      list.clear();
      add_block(m.copied[i]);
      m.copies.replace(view, kv_head, nullptr, list, static_cast<int64_t>(i) * options_.block);
    }
  }

  Copies copies(const StepView& step) const override {
    if (!step.view || !copies_serve(*step.view)) return {};
    const Memory& m = memory_[static_cast<size_t>(step.layer * kv_heads_ + step.kv_head)];
    const int64_t local = options_.sinks + blocks_of(passes_.group(*step.view, 0)) * options_.block;
    return {&m.copies, options_.local, {local, step.index + 1, step.position}};
  }

  void select(const StepView& step, std::vector<Run>& runs) const override {
    const int64_t entries = step.index + 1;
    const int64_t number = step.view ? passes_.number_holding(*step.view, step.row) : 0;
    const int64_t blocks = step.view ? blocks_of(passes_.group(*step.view, number)) : 0;
    if (blocks <= options_.k) {
      runs.push_back({0, entries, step.position});
      return;
    }
    // Keys outside the local part are all seen from `local` tokens away.
    const int64_t base = step.position - step.index;
    auto add = [&](int64_t begin, int64_t end) {
      for (int64_t e = begin; e < end; ++e) {
        runs.push_back({e, e + 1, base + e + options_.local});
      }
    };
    add(0, options_.sinks);
    for (const int32_t b : chosen_[static_cast<size_t>(number)]) {
      const int64_t begin = options_.sinks + b * options_.block;
      add(begin, begin + options_.block);
    }
    runs.push_back({options_.sinks + blocks * options_.block, entries, step.position});
  }
  void evict(int64_t, std::vector<Run>&) const override {}

  PolicyCounters counters() const override {
    PolicyCounters c;
    c.selections = selections_;
    for (const Memory& m : memory_) {
      c.bytes += m.means.bytes() + m.copies.bytes() +
                 static_cast<int64_t>(m.received.capacity() * sizeof(float) +
                                      m.copied.capacity() * sizeof(int32_t));
    }
    return c;
  }

  int64_t bytes_for(int64_t tokens) const override {
    const int64_t read = options_.sinks + options_.k * options_.block;
    const int64_t copies = tokens < read + options_.block + options_.local
                               ? 0
                               : CopiedKeys::bytes_for(read, line_bytes_ * kBlockKeys) +
                                     grown_bytes(options_.k, sizeof(int32_t));
    int64_t bytes = 0;
    for (const Memory& m : memory_) {
      bytes +=
          m.means.bytes_for(tokens / options_.block) + grown_bytes(tokens, sizeof(float)) + copies;
    }
    return bytes;
  }

 private:
  bool copies_serve(const LayerView& view) const {
    return passes_.decoding(view) && blocks_of(passes_.group(view, 0)) > options_.k;
  }

  // Blocks that lie wholly before the local part of a group's first row.
  int64_t blocks_of(const Group& group) const {
    const int64_t before = group.end - group.count + 1 - options_.local - options_.sinks;
    return std::max<int64_t>(0, before / options_.block);
  }

  // Adds what the rows' queries give to the entries of their local part.
  void receive(const LayerView& view, int64_t kv_head, Memory& m) const {
    thread_local std::vector<float> queries, weights;
    const int64_t n = view.group(), width = view.width();
    m.received.resize(static_cast<size_t>(view.entries()), 0.f);
    queries.resize(static_cast<size_t>(std::min(n, kAttendRows) * width));
    for (int64_t row = 0; row < view.rows(); ++row) {
      const int64_t end = view.first_entry() + row + 1;
      const int64_t begin = std::max<int64_t>(0, end - options_.local), count = end - begin;
      weights.resize(static_cast<size_t>(std::min(n, kAttendRows) * count));
      for (int64_t first = 0; first < n; first += kAttendRows) {
        const int64_t some = std::min(n - first, kAttendRows);
        for (int64_t i = 0; i < some; ++i) {
          view.query(row, kv_head * n + first + i, 0, queries.data() + i * width);
        }
        view.score(kv_head, queries.data(), some, begin, end, weights.data(), count);
        for (int64_t i = 0; i < some; ++i) {
          float* w = weights.data() + i * count;
          kernels().softmax(w, count);
          kernels().add_scaled(m.received.data() + begin, w, 1, count, m.received.data() + begin);
        }
      }
    }
  }

  void append_block(const LayerView& view, int64_t kv_head, Memory& m) const {
    thread_local std::vector<int32_t> strongest;
    thread_local std::vector<float> key, mean;
    thread_local BestOf best;
    const int64_t begin = options_.sinks + m.means.size() * options_.block;
    best.choose({m.received.data() + begin, static_cast<size_t>(options_.block)},
                options_.representatives, strongest);
    key.resize(static_cast<size_t>(view.head_width()));
    mean.assign(key.size(), 0.f);
    for (const int32_t i : strongest) {
      const int64_t entry = begin + i;
      view.key(kv_head, entry, key.data());
      view.turn(key.data(), -(view.position(0) + entry - view.first_entry()));
      for (size_t d = 0; d < key.size(); ++d) {
        mean[d] += key[d] / static_cast<float>(options_.representatives);
      }
    }
    m.means.append(mean);
  }

  // The un-rotated query of a head, turned as if it stood `local` tokens after every key, and
  // averaged over a group's rows.
  void mean_query(const LayerView& view, const Group& group, int64_t head,
                  std::vector<float>& out) const {
    thread_local std::vector<float> one;
    one.resize(out.size());
    std::fill(out.begin(), out.end(), 0.f);
    for (int64_t i = 0; i < group.count; ++i) {
      const int64_t row = group.first + i;
      view.query(row, head, options_.local - view.position(row), one.data());
      for (size_t d = 0; d < out.size(); ++d) out[d] += one[d] / static_cast<float>(group.count);
    }
  }

  InfllmOptions options_;
  Passes passes_;
  int64_t kv_heads_ = 0, line_bytes_ = 0, selections_ = 0;
  std::vector<Memory> memory_;  // [layers, kv_heads]
  // Of the layer that is being computed.
  std::vector<std::vector<float>> scores_;    // [kv_heads], blocks of each group in a row
  std::vector<std::vector<int32_t>> chosen_;  // [groups]
  std::vector<float> sum_;
  BestOf best_;
};

}  // namespace

std::unique_ptr<ContextPolicy> infllm(const InfllmOptions& options) {
  if (options.representatives > options.block) {
    throw Error("infllm: representatives=" + std::to_string(options.representatives),
                "is more than the " + std::to_string(options.block) + " keys of a block",
                "Give at most `block`.");
  }
  return std::make_unique<Infllm>(options);
}

}  // namespace tessera
