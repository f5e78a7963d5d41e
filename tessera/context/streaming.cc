#include "tessera/context/streaming.h"

#include <algorithm>

#include "tessera/base/error.h"

namespace tessera {
namespace {

class Streaming final : public ContextPolicy {
 public:
  explicit Streaming(const StreamingOptions& options)
      : options_(options), slot_(options.positions == "slot") {}

  std::unique_ptr<ContextPolicy> clone() const override {
    return std::make_unique<Streaming>(*this);
  }

  void attach(const Geometry& g) override {
    if (g.windowed) {
      throw Error("--context streaming", "this model's layers have sliding windows of their own",
                  "Use --context full.");
    }
  }

  bool serves_any_length() const override { return slot_; }

  // The newest keys lie at their own distances; the sinks are seen from where they would lie if
  // nothing stood between, which keeps every distance inside the trained window.
  void select(const StepView& step, std::vector<Run>& runs) const override {
    const int64_t end = step.index + 1, newest = std::max<int64_t>(0, end - options_.local);
    const int64_t sinks = std::min(options_.sinks, newest);
    if (sinks == newest) {
      runs.push_back({0, end, step.position});
      return;
    }
    const int64_t gap = slot_ ? newest - sinks : 0;
    if (sinks > 0) runs.push_back({0, sinks, step.position - gap});
    runs.push_back({newest, end, step.position});
  }

  void evict(int64_t entries, std::vector<Run>& runs) const override {
    // The next query is entry `entries`: it still sees entries + 1 - local and later ones.
    const int64_t oldest = entries + 1 - options_.local;
    if (oldest > options_.sinks) runs.push_back({options_.sinks, oldest, 0});
  }

 private:
  StreamingOptions options_;
  bool slot_;
};

}  // namespace

std::unique_ptr<ContextPolicy> streaming(const StreamingOptions& options) {
  return std::make_unique<Streaming>(options);
}

}  // namespace tessera
