// How a model chooses among given answers: by the probability of each as a continuation.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tessera/eval/choice_task.h"
#include "tessera/eval/needle.h"
#include "tessera/network/network.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

struct ChoiceResult {
  bool right = false;  // the gold answer is more probable than every other
  double nll = 0;      // of the whole gold answer, in nats
};

struct ChoiceMeans {
  int64_t n = 0;
  double accuracy = 0, nll = 0;
};
ChoiceMeans means_of(std::span<const ChoiceResult> results);

// Items as a model reads them. Prompt and answer are encoded apart; a control token in them is
// text. Throws Error for an answer without tokens.
class ChoiceReader {
 public:
  ChoiceReader(const Tokenizer& tokenizer, std::span<const ChoiceItem> items);

  size_t size() const { return items_.size(); }
  // Tokens that one call of results() runs.
  int64_t tokens() const { return tokens_; }
  // Runs every item on a past of its own, some at a time. `each` (may be empty) is called after
  // some items with their number; returning false ends the run, and fewer results come back.
  std::vector<ChoiceResult> results(CausalModel& model,
                                    const std::function<std::unique_ptr<Past>()>& new_past,
                                    const std::function<bool(int64_t)>& each = {}) const;

 private:
  struct Item {
    std::vector<int32_t> prompt;
    std::vector<std::vector<int32_t>> choices;
    size_t gold = 0;
  };
  std::vector<Item> items_;
  int64_t tokens_ = 0;
};

// 95 % interval of the mean of `values` by the bootstrap: percentiles of the means of 2,000 draws
// with replacement. Values of items that two runs share, one minus the other: a paired interval.
Interval bootstrap_mean(std::span<const double> values, uint64_t seed);

}  // namespace tessera
