#include "tessera/network/selection_trace.h"

#include <utility>
#include <vector>

#include "tessera/network/layer_view.h"

namespace tessera {
namespace {

class Traced final : public ContextPolicy {
 public:
  Traced(std::unique_ptr<ContextPolicy> policy, SelectionSink& sink)
      : policy_(std::move(policy)), sink_(sink) {}

  std::unique_ptr<ContextPolicy> clone() const override {
    auto copy = std::make_unique<Traced>(policy_->clone(), sink_);
    copy->group_ = group_;
    copy->prompt_ = prompt_;
    return copy;
  }
  void attach(const Geometry& g) override {
    policy_->attach(g);
    group_ = g.heads / g.kv_heads;
  }
  bool attends_everything() const override { return policy_->attends_everything(); }
  bool serves_any_length() const override { return policy_->serves_any_length(); }
  void select(const StepView& step, std::vector<Run>& runs) const override {
    policy_->select(step, runs);
    tell(step, runs, false);
  }
  void evict(int64_t entries, std::vector<Run>& runs) const override {
    policy_->evict(entries, runs);
  }
  bool chooses() const override { return policy_->chooses(); }
  void announce(int64_t tokens) override {
    prompt_ = tokens;
    policy_->announce(tokens);
  }
  int64_t together(int64_t token, int64_t rows) const override {
    return policy_->together(token, rows);
  }
  int64_t everything_below() const override { return policy_->everything_below(); }
  bool per_query_head() const override { return policy_->per_query_head(); }
  bool concerns(int64_t layer) const override { return policy_->concerns(layer); }
  float dampen(const StepView& step, std::vector<Run>& runs) const override {
    const float factor = policy_->dampen(step, runs);
    if (!runs.empty()) tell(step, runs, true);
    return factor;
  }
  bool foresees() const override { return policy_->foresees(); }
  void observe(const LayerView& view, int64_t kv_head) override { policy_->observe(view, kv_head); }
  void settle(const LayerView& view) override { policy_->settle(view); }
  void arrange(const LayerView& view, int64_t kv_head) override { policy_->arrange(view, kv_head); }
  int64_t keep(int64_t entries, int64_t tokens) override { return policy_->keep(entries, tokens); }
  void moves(int64_t layer, int64_t kv_head, std::vector<Move>& moves) override {
    policy_->moves(layer, kv_head, moves);
  }
  const PlainKeys* plain_keys(int64_t layer, int64_t kv_head) const override {
    return policy_->plain_keys(layer, kv_head);
  }
  Copies copies(const StepView& step) const override {
    const Copies held = policy_->copies(step);
    if (held.keys) {
      std::vector<Run> runs;
      select(step, runs);
    }
    return held;
  }
  PolicyCounters counters() const override { return policy_->counters(); }
  int64_t bytes_for(int64_t tokens) const override { return policy_->bytes_for(tokens); }

 private:
  void tell(const StepView& step, const std::vector<Run>& runs, bool damped) const {
    const int64_t dropped = step.view ? step.view->first_token() - step.view->first_entry() : 0;
    const int64_t token = step.index + dropped;
    if (token < prompt_ - 1) return;
    const bool alone = policy_->per_query_head();
    sink_.take({step.layer, alone ? step.head : step.kv_head * group_, alone ? 1 : group_, token,
                dropped, damped, runs, step.view, step.row, step.kv_head});
  }

  std::unique_ptr<ContextPolicy> policy_;
  SelectionSink& sink_;
  int64_t group_ = 1, prompt_ = 0;
};

}  // namespace

std::unique_ptr<ContextPolicy> traced(std::unique_ptr<ContextPolicy> policy, SelectionSink& sink) {
  return std::make_unique<Traced>(std::move(policy), sink);
}

}  // namespace tessera
