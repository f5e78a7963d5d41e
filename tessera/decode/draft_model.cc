#include "tessera/decode/draft_model.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "tessera/base/error.h"
#include "tessera/decode/candidates.h"

namespace tessera {
namespace {

class DraftModel : public Drafter {
 public:
  explicit DraftModel(const DraftModelOptions& options) : options_(options) {}

  bool nothing() const override { return options_.tokens == 0; }

  void attach(int64_t vocabulary, CausalModel* model) override {
    if (!model)
      throw Error("--draft draft-model", "there is no model to guess", "Add --with draft=REF.");
    if (model->vocabulary_size() != vocabulary) {
      throw Error("--with draft",
                  "has " + std::to_string(model->vocabulary_size()) + " tokens, the model " +
                      std::to_string(vocabulary),
                  "Take a smaller model of the same family.");
    }
    model_ = model;
    past_ = model->new_past();
    logits_.resize(static_cast<size_t>(vocabulary));
  }

  void guess(std::span<const TokenId> text, int64_t most, std::vector<TokenId>& out) override {
    most = std::min(most, options_.tokens);
    // Beyond its own window it has nothing to say.
    most = std::min(most, model_->context() - static_cast<int64_t>(text.size()));
    if (most <= 0 || !past_->keeps_everything()) return;
    size_t same = 0;
    while (same < seen_.size() && same + 1 < text.size() && seen_[same] == text[same]) ++same;
    past_->truncate(static_cast<int64_t>(same));
    seen_.assign(text.begin(), text.end());
    run(text.subspan(same));
    for (;;) {
      const TokenId id = argmax(logits_);
      if (std::exp(logits_[static_cast<size_t>(id)] - log_sum_exp(logits_)) < options_.sure) return;
      out.push_back(id);
      if (static_cast<int64_t>(out.size()) == most) return;
      seen_.push_back(id);
      run({&id, 1});
    }
  }

  int64_t cache_bytes() const override {
    const PastCounters c = past_->counters();
    return c.bytes_resident + c.bytes_policy;
  }
  int64_t cache_bytes_for(int64_t tokens) const override {
    const int64_t most = std::min(tokens + options_.tokens, model_->context());
    return model_->cache_bytes_for(most, most);
  }
  void forget() override {
    past_ = model_->new_past();
    seen_.clear();
  }

 private:
  void run(std::span<const TokenId> ids) {
    const CausalModel::Item item{past_.get(), ids, {}, logits_, 1};
    model_->forward({&item, 1});
    check_logits(logits_);
  }

  DraftModelOptions options_;
  CausalModel* model_ = nullptr;
  std::unique_ptr<Past> past_;
  std::vector<TokenId> seen_;  // by past_
  std::vector<float> logits_;
};

}  // namespace

std::unique_ptr<Drafter> draft_model(const DraftModelOptions& options) {
  return std::make_unique<DraftModel>(options);
}

}  // namespace tessera
