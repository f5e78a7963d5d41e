#include "tessera/eval/score.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/kernels/kernels.h"

namespace tessera {
namespace {

// Logits are asked for in pieces of about 16 MB.
constexpr int64_t kLogits = 4 << 20;

class Scorer {
 public:
  Scorer(CausalModel& model, std::span<const int32_t> ids,
         const std::function<void(int64_t, double)>& each)
      : model_(model), ids_(ids), each_(each), vocabulary_(model.vocabulary_size()) {}

  // Runs ids begin .. end - 1 and scores the tokens that follow them from `scored` on.
  void run(Past& past, int64_t begin, int64_t end, int64_t scored) {
    const int64_t piece = std::clamp<int64_t>(kLogits / vocabulary_, 12, 516);
    for (int64_t at = begin; at < end; at += piece) {
      const int64_t n = std::min(piece, end - at);
      // Row i predicts token at + i + 1.
      const int64_t first = std::max<int64_t>(0, scored - 1 - at);
      const int64_t wanted = std::max<int64_t>(0, n - first);
      logits_.resize(static_cast<size_t>(wanted * vocabulary_));
      CausalModel::Item item{&past,
                             ids_.subspan(static_cast<size_t>(at), static_cast<size_t>(n)),
                             {},
                             logits_,
                             wanted};
      model_.forward({&item, 1});
      for (int64_t i = 0; i < wanted; ++i)
        take(at + first + i + 1, logits_.data() + i * vocabulary_);
    }
  }

  Score result;
  int64_t decoded_from = -1;  // first token that counts as decoded

 private:
  void take(int64_t index, float* logits) {
    if (index >= static_cast<int64_t>(ids_.size())) return;
    const double target = logits[ids_[static_cast<size_t>(index)]];
    const double logprob = target - kernels().softmax(logits, vocabulary_);
    if (!std::isfinite(logprob)) {
      throw Error("token " + std::to_string(index), "its log-probability is not finite",
                  "The weights are damaged, or hold values that are not numbers.");
    }
    ++result.tokens;
    result.nll -= logprob;
    if (decoded_from >= 0 && index >= decoded_from) {
      ++result.decoded_tokens;
      result.decoded_nll -= logprob;
    }
    if (each_) each_(index, logprob);
  }

  CausalModel& model_;
  std::span<const int32_t> ids_;
  const std::function<void(int64_t, double)>& each_;
  int64_t vocabulary_;
  std::vector<float> logits_;
};

}  // namespace

Score score(CausalModel& model, std::span<const int32_t> ids, const ScoreOptions& options,
            const std::function<void(int64_t, double)>& each) {
  const auto n = static_cast<int64_t>(ids.size());
  Scorer scorer(model, ids, each);
  if (options.prefill >= 0) {
    if (n > model.context()) {
      throw Error("--prefill",
                  "the text has " + std::to_string(n) + " tokens, the context holds " +
                      std::to_string(model.context()),
                  n <= model.trained_context()
                      ? "The model was trained for " + std::to_string(model.trained_context()) +
                            ": --ctx " + std::to_string(n) + " opens it for them."
                      : "Shorten the text, or name a --context policy that serves any length.");
    }
    auto past = model.new_past();
    const int64_t prefill = std::min(options.prefill, n);
    past->announce(prefill);
    scorer.decoded_from = prefill + 1;
    if (prefill > 0) scorer.run(*past, 0, prefill, 1);
    // The last token predicts nothing that is in the text.
    for (int64_t i = prefill; i + 1 < n; ++i) scorer.run(*past, i, i + 1, i + 1);
    scorer.result.context = past->counters();
    return scorer.result;
  }
  const int64_t window =
      options.window > 0 ? options.window : std::min(model.context(), std::max<int64_t>(n, 2));
  const int64_t stride = options.stride > 0 ? options.stride : std::max<int64_t>(1, window / 2);
  if (window > model.context() || window < 2) {
    throw Error("--window",
                "is " + std::to_string(window) + "; the model's context is " +
                    std::to_string(model.context()),
                window >= 2 && window <= model.trained_context()
                    ? "The model was trained for more: --ctx " + std::to_string(window) +
                          " opens it for them."
                    : "Give 2 to " + std::to_string(model.context()) + ".");
  }
  if (stride >= window) {
    throw Error("--stride",
                "is " + std::to_string(stride) + " in a window of " + std::to_string(window),
                "Give at most " + std::to_string(window - 1) +
                    ", so that every token has something before it.");
  }
  int64_t scored = 1;  // the first token that is not scored yet
  for (int64_t begin = 0; scored < n; begin += stride) {
    const int64_t end = std::min(begin + window, n);
    auto past = model.new_past();
    scorer.run(*past, begin, end, scored);
    scored = end;
  }
  return scorer.result;
}

}  // namespace tessera
