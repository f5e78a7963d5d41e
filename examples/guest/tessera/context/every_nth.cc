#include "tessera/context/every_nth.h"

#include <algorithm>

namespace tessera {
namespace {

class EveryNth final : public ContextPolicy {
 public:
  explicit EveryNth(const EveryNthOptions& options) : options_(options) {}

  std::unique_ptr<ContextPolicy> clone() const override {
    return std::make_unique<EveryNth>(*this);
  }
  void attach(const Geometry&) override {}
  bool attends_everything() const override { return options_.n == 1; }

  // Every n-th entry is a run of its own; with n = 1 there is one run.
  void select(const StepView& step, std::vector<Run>& runs) const override {
    const int64_t end = step.index + 1, newest = std::max<int64_t>(0, end - options_.local);
    if (options_.n == 1) {
      runs.push_back({0, end, step.position});
      return;
    }
    for (int64_t i = 0; i < newest; i += options_.n) runs.push_back({i, i + 1, step.position});
    runs.push_back({newest, end, step.position});
  }

  // The next query is entry `entries`: it still sees entries + 1 - local and later ones whole.
  void evict(int64_t entries, std::vector<Run>& runs) const override {
    const int64_t oldest = entries + 1 - options_.local;
    for (int64_t i = 1; i < oldest && options_.n > 1; i += options_.n) {
      runs.push_back({i, std::min(i + options_.n - 1, oldest), 0});
    }
  }

 private:
  EveryNthOptions options_;
};

}  // namespace

std::unique_ptr<ContextPolicy> every_nth(const EveryNthOptions& options) {
  return std::make_unique<EveryNth>(options);
}

}  // namespace tessera
