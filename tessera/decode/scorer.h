// What strategies share between the model's logits and their own choice: bias, penalties, the
// constraint's mask, and the probabilities that are reported.
//
// Order: logit bias; repetition, presence and frequency penalties; no-repeat n-grams; constraint.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tessera/base/spec.h"
#include "tessera/decode/candidates.h"
#include "tessera/decode/strategy.h"

namespace tessera {

// Options that several strategies offer under the same keys.
struct PenaltyOptions {
  double repeat = 1;            // CTRL: positive logits are divided by it, negative multiplied
  int64_t repeat_last = 0;      // tokens of prompt and text it looks at; 0: all
  double presence = 0;          // off the logit of every token that the text has
  double frequency = 0;         // the same, once per occurrence
  int64_t no_repeat_ngram = 0;  // n-grams of prompt and text that may not come twice; 0: any may
  bool any() const { return repeat != 1 || presence != 0 || frequency != 0 || no_repeat_ngram > 0; }
};
template <class V>
void fields(V& v, PenaltyOptions& o) {
  v("repeat", o.repeat, "repetition penalty on tokens of prompt and text; 1: none",
    between(0.01, 100));
  v("repeat-last", o.repeat_last, "last tokens that `repeat` looks at; 0: all", at_least(0));
  v("presence", o.presence, "taken off the score of tokens that the text has", between(-100, 100));
  v("frequency", o.frequency, "the same, once per occurrence", between(-100, 100));
  v("no-repeat-ngram", o.no_repeat_ngram, "no n-gram of this length comes twice; 0: any may",
    at_least(0));
}

class Scorer {
 public:
  Scorer(const SearchSetup& setup, const PenaltyOptions& penalties);

  // Scores of all ids that the tokenizer has, -infinity for those that may not follow; lives until
  // the next call. Throws Error when the row is no distribution.   row [vocabulary]
  std::span<const float> score(const Branch& branch, std::span<const float> row);
  // Whether no token may follow.
  bool nothing_left() const { return nothing_left_; }
  // Logarithm of the sum over all ids after bias and penalties, before n-grams and constraint.
  double log_total();
  // Extends the branch of the last score() by `id` and records the step when steps are recorded.
  void choose(Branch& branch, TokenId id);

 private:
  void penalise(const Branch& branch);
  void forbid_repeats(const Branch& branch);
  void mask(const Branch& branch);
  TokenId history(const Branch& branch, size_t i) const;
  Step step_of(TokenId id) const;

  const SearchSetup& setup_;
  PenaltyOptions penalties_;
  std::span<const float> row_;   // as the model gave it
  std::vector<float> scores_;    // the changed copy; unused when nothing changes
  std::vector<int32_t> counts_;  // per id, zero between calls
  bool changes_ = false;         // whether any score is ever changed
  bool nothing_left_ = false;
  double log_total_ = 0;
};

}  // namespace tessera
