#include "tessera/context/full.h"

namespace tessera {
namespace {

class Full final : public ContextPolicy {
 public:
  std::unique_ptr<ContextPolicy> clone() const override { return std::make_unique<Full>(); }
  void attach(const Geometry&) override {}
  bool attends_everything() const override { return true; }
  void select(const StepView& step, std::vector<Run>& runs) const override {
    runs.push_back({0, step.index + 1, step.position});
  }
  void evict(int64_t, std::vector<Run>&) const override {}
};

}  // namespace

std::unique_ptr<ContextPolicy> full(const FullOptions&) { return std::make_unique<Full>(); }

}  // namespace tessera
