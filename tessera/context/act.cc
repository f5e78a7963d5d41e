#include "tessera/context/act.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/context/act_file.h"
#include "tessera/context/primitives.h"
#include "tessera/context/sinks.h"

namespace tessera {
namespace {

enum class Mode : uint8_t { prompt, running, pass };

// The network is left alone in its first layers, and in its last one.
constexpr int64_t kFirstLayer = 2;

// A calibrated head.
struct Head {
  ReceivedAttention received;
  std::vector<std::vector<int32_t>> sinks;  // of the pass's rows; pass: one list for all of them
  std::vector<int32_t> of_prompt;           // when the prompt's last row had been read
  int64_t changed = 0;                      // rows that had a sink
};

class Act final : public ContextPolicy {
 public:
  Act(const ActOptions& options, ActFile file)
      : options_(options),
        file_(std::move(file)),
        mode_(file_.mode == "running" ? Mode::running
              : file_.mode == "pass"  ? Mode::pass
                                      : Mode::prompt),
        nothing_(file_.beta == 1 || (!options.file.empty() && file_.chosen.empty())) {}

  std::unique_ptr<ContextPolicy> clone() const override { return std::make_unique<Act>(*this); }

  void attach(const Geometry& g) override {
    need_plain_rotary(g, "act");
    if (!options_.file.empty()) need_same_model(g);
    slots_.assign(static_cast<size_t>(g.layers * g.heads), -1);
    heads_each_ = g.heads;
    int64_t slots = 0;
    auto add = [&](HeadId h) { slots_[static_cast<size_t>(h.layer * g.heads + h.head)] = slots++; };
    if (options_.file.empty() && options_.heads == "all") {
      for (int64_t layer = kFirstLayer; layer < g.layers - 1; ++layer) {
        for (int64_t head = 0; head < g.heads; ++head) add({layer, head});
      }
    }
    for (const ActHead& h : file_.chosen) {
      need_head(g, h.id);
      add(h.id);
    }
    heads_.resize(static_cast<size_t>(slots));
    nothing_ = nothing_ || slots == 0;
  }

  bool attends_everything() const override { return nothing_; }
  bool chooses() const override { return !nothing_; }
  bool per_query_head() const override { return true; }
  bool foresees() const override { return !nothing_ && mode_ == Mode::pass; }
  bool concerns(int64_t layer) const override {
    for (int64_t h = 0; h < heads_each_; ++h) {
      if (slot_of(layer, h) >= 0) return true;
    }
    return false;
  }
  void announce(int64_t tokens) override { prompt_ = tokens; }
  // A pass lies in the prompt or behind it.
  int64_t together(int64_t token, int64_t rows) const override {
    return token < prompt_ ? std::min(rows, prompt_ - token) : rows;
  }

  void observe(const LayerView& view, int64_t kv_head) override {
    const int64_t n = view.group(), first = kv_head * n;
    bool any = false;
    for (int64_t h = 0; h < n; ++h) {
      const int64_t slot = slot_of(view.layer(), first + h);
      if (slot < 0) continue;
      heads_[static_cast<size_t>(slot)].sinks.resize(
          static_cast<size_t>(mode_ == Mode::pass ? 1 : view.rows()));
      any = true;
    }
    if (!any || settled(view)) return;
    thread_local std::vector<float> weights;
    for (int64_t row = 0; row < view.rows(); ++row) {
      const int64_t end = view.first_entry() + row + 1;
      attention_rows(view, kv_head, row, end, weights);
      for (int64_t h = 0; h < n; ++h) {
        const int64_t slot = slot_of(view.layer(), first + h);
        if (slot < 0) continue;
        Head& head = heads_[static_cast<size_t>(slot)];
        head.received.add(std::span<const float>(weights).subspan(static_cast<size_t>(h * end),
                                                                  static_cast<size_t>(end)));
        if (mode_ == Mode::pass && row + 1 < view.rows()) continue;
        // The text's first token takes what no other wants, and is left alone.
        std::vector<int32_t>& sinks =
            head.sinks[mode_ == Mode::pass ? 0 : static_cast<size_t>(row)];
        head.received.sinks(file_.rule, 1, sinks);
        if (!sinks.empty()) head.changed += mode_ == Mode::pass ? view.rows() : 1;
        if (end == prompt_) head.of_prompt = sinks;
      }
    }
  }

  void select(const StepView& step, std::vector<Run>& runs) const override {
    runs.push_back({0, step.index + 1, step.position});
  }

  float dampen(const StepView& step, std::vector<Run>& runs) const override {
    const int64_t slot = step.view ? slot_of(step.layer, step.head) : -1;
    if (slot < 0) return 1;
    const Head& head = heads_[static_cast<size_t>(slot)];
    const std::vector<int32_t>& sinks =
        settled(*step.view) ? head.of_prompt
                            : head.sinks[mode_ == Mode::pass ? 0 : static_cast<size_t>(step.row)];
    for (const int32_t sink : sinks) {
      if (sink <= step.index) add_run(runs, sink, sink + 1, step.position);
    }
    return static_cast<float>(file_.beta);
  }

  void evict(int64_t, std::vector<Run>&) const override {}

  PolicyCounters counters() const override {
    PolicyCounters c;
    for (const Head& h : heads_) {
      c.selections += h.changed;
      c.bytes += h.received.bytes();
    }
    return c;
  }

  int64_t bytes_for(int64_t tokens) const override {
    return static_cast<int64_t>(heads_.size()) *
           grown_bytes(tokens, sizeof(double) + sizeof(int64_t));
  }

 private:
  int64_t slot_of(int64_t layer, int64_t head) const {
    return slots_[static_cast<size_t>(layer * heads_each_ + head)];
  }
  // Whether the pass's tokens can no longer become sinks.
  bool settled(const LayerView& view) const {
    return mode_ == Mode::prompt && view.first_token() >= prompt_;
  }

  void need_same_model(const Geometry& g) const {
    const std::string weights = g.weights ? g.weights() : "";
    if (file_.layers == g.layers && file_.heads == g.heads && file_.weights == weights) return;
    throw Error(options_.file,
                "was made with another model: " + std::to_string(file_.layers) + " layers of " +
                    std::to_string(file_.heads) + " heads, weights " + file_.weights +
                    "; this one has " + std::to_string(g.layers) + " of " +
                    std::to_string(g.heads) + ", weights " + weights,
                "Make one for this model with `tessera calibrate`.");
  }

  void need_head(const Geometry& g, const HeadId& h) const {
    const std::string where = "act: head " + heads_text({&h, 1});
    if (h.layer >= g.layers || h.head >= g.heads) {
      throw Error(where,
                  "is none: the model has " + std::to_string(g.layers) + " layers of " +
                      std::to_string(g.heads) + " heads",
                  "Count from 0.");
    }
    if (!options_.any_layer && options_.file.empty() &&
        (h.layer < kFirstLayer || h.layer == g.layers - 1)) {
      throw Error(where, "lies in one of the first two layers or in the last one",
                  "Name another, or add any_layer=on.");
    }
  }

  ActOptions options_;
  ActFile file_;
  Mode mode_;
  bool nothing_;
  int64_t heads_each_ = 0, prompt_ = 0;
  std::vector<int64_t> slots_;  // of heads_, [layers, heads]; -1: not calibrated
  std::vector<Head> heads_;
};

}  // namespace

std::unique_ptr<ContextPolicy> act(const ActOptions& o) {
  if (!o.file.empty()) {
    const ActOptions standard;
    if (o.heads != standard.heads || o.beta != standard.beta || o.tau != standard.tau ||
        o.alpha != standard.alpha || o.min_queries != standard.min_queries ||
        o.mode != standard.mode || o.any_layer) {
      throw Error("act: file=" + o.file, "says which heads are calibrated, and how",
                  "Give file alone, or heads and the other keys without it.");
    }
    return std::make_unique<Act>(o, read_act_file(o.file));
  }
  if (!(o.tau > 0 && o.tau < 1)) {
    throw Error("act: tau", "is neither above 0 nor below 1", "Give 0.1, or another share.");
  }
  if (o.alpha > 0 && o.tau != ActOptions{}.tau) {
    throw Error("act: tau", "does nothing beside alpha, which stands instead of it",
                "Give one of the two.");
  }
  ActFile file;
  file.beta = o.beta;
  file.rule = {o.tau, o.alpha, o.min_queries};
  file.mode = o.mode;
  if (o.heads != "all") {
    for (const HeadId& h : parse_heads(o.heads)) file.chosen.push_back({h, 0, 0});
  }
  return std::make_unique<Act>(o, std::move(file));
}

}  // namespace tessera
