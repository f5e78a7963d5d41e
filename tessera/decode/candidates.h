// The tokens that may be chosen next, and the filters that make them fewer. Filters run in any
// order; each sees the softmax over what the ones before it left. Softmax and sums are in double;
// equal logits rank by the lower id. Memory is the caller's: one Candidates serves a whole text and
// allocates nothing after its construction.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tessera/base/random.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

struct Candidate {
  TokenId id = 0;
  float logit = 0;
};

// Throws Error naming the id when a logit is NaN or +infinity, or when all are -infinity.
void check_logits(std::span<const float> logits);
// Id of the highest logit, the lowest such id. Needs a checked row.
TokenId argmax(std::span<const float> logits);
// Natural logarithm of the sum of exp(logit). Needs a checked row.
double log_sum_exp(std::span<const float> logits);

class Candidates {
 public:
  explicit Candidates(int64_t capacity);

  // Takes the ids whose logit is above -infinity.   logits [<= capacity], checked
  void load(std::span<const float> logits);
  // Never empty after load(); in no order unless a filter says so.
  std::span<const Candidate> items() const { return {items_.data(), items_.size()}; }

  // Divides logits by `temperature`. Needs temperature > 0.
  void apply_temperature(double temperature);
  // Keeps the k highest.  k <= 0 or k >= size: all.
  void keep_top_k(int64_t k);
  // Keeps the fewest highest whose probabilities sum to p or more.   p >= 1: all.
  void keep_top_p(double p);
  // Keeps those at least `p` times as probable as the highest.   p <= 0: all.
  void keep_min_p(double p);
  // Keeps the fewest whose probabilities sum to p or more, nearest first by how far
  // -log(probability) lies from the entropy (Meister et al. 2022, "Locally typical sampling").   p
  // >= 1: all.
  void keep_typical(double p);
  // Keeps those whose surprise, -log2(probability), is at most `bits`; always the highest.
  void keep_surprise(double bits);

  // Probability of each item under the softmax over items(), in their order. Lives until the next
  // call that is not const.
  std::span<const double> probabilities();
  // Draws one of items() by its probability: its index.
  size_t draw(Random& random);

 private:
  void sort_first(size_t count);
  template <class Key>
  void keep_nearest(double p, Key key);
  float highest() const;

  std::vector<Candidate> items_;
  std::vector<double> probabilities_;
  struct Ranked {
    double key, probability;
    Candidate item;
  };
  std::vector<Ranked> ranked_;
  size_t sorted_ = 0;  // so many first items are the highest ones, in order
};

}  // namespace tessera
