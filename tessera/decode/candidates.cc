#include "tessera/decode/candidates.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <string>

#include "tessera/base/error.h"

namespace tessera {
namespace {

bool higher(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

}  // namespace

void check_logits(std::span<const float> logits) {
  constexpr float kMost = std::numeric_limits<float>::max();
  bool fine = true, any = false;
  for (float x : logits) {
    fine &= x <= kMost;  // false for NaN and +infinity
    any |= x >= -kMost;
  }
  if (fine && any) return;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] <= kMost) continue;
    throw Error("logits",
                "the score of token " + std::to_string(i) + " is " +
                    (std::isnan(logits[i]) ? "not a number" : "infinite"),
                "The weights are damaged, or this input overflows them.");
  }
  throw Error("logits", "no token has a score above -infinity",
              "A bias or constraint forbids every token.");
}

TokenId argmax(std::span<const float> logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double log_sum_exp(std::span<const float> logits) {
  double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float x : logits) sum += std::exp(x - most);
  return most + std::log(sum);
}

Candidates::Candidates(int64_t capacity) {
  items_.reserve(static_cast<size_t>(capacity));
  probabilities_.reserve(static_cast<size_t>(capacity));
}

void Candidates::load(std::span<const float> logits) {
  assert(logits.size() <= items_.capacity());
  items_.clear();
  sorted_ = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > -std::numeric_limits<float>::infinity()) {
      items_.push_back({static_cast<TokenId>(i), logits[i]});
    }
  }
}

float Candidates::highest() const {
  if (sorted_ > 0) return items_.front().logit;
  return std::min_element(items_.begin(), items_.end(), higher)->logit;
}

void Candidates::sort_first(size_t count) {
  count = std::min(count, items_.size());
  if (count <= sorted_) return;
  auto begin = items_.begin() + static_cast<ptrdiff_t>(sorted_);
  auto end = items_.begin() + static_cast<ptrdiff_t>(count);
  if (end != items_.end()) std::nth_element(begin, end, items_.end(), higher);
  std::sort(begin, end, higher);
  sorted_ = count;
}

void Candidates::apply_temperature(double temperature) {
  if (temperature == 1) return;
  // Less the highest first, so that the smallest temperature cannot overflow.
  double most = highest();
  for (Candidate& c : items_) c.logit = static_cast<float>((c.logit - most) / temperature);
}

void Candidates::keep_top_k(int64_t k) {
  if (k <= 0 || static_cast<size_t>(k) >= items_.size()) return;
  sort_first(static_cast<size_t>(k));
  items_.resize(static_cast<size_t>(k));
}

std::span<const double> Candidates::probabilities() {
  double most = highest(), total = 0;
  probabilities_.resize(items_.size());
  for (size_t i = 0; i < items_.size(); ++i) {
    probabilities_[i] = std::exp(items_[i].logit - most);
    total += probabilities_[i];
  }
  for (double& p : probabilities_) p /= total;
  return probabilities_;
}

void Candidates::keep_top_p(double p) {
  if (p >= 1) return;
  double most = highest(), total = 0;
  for (const Candidate& c : items_) total += std::exp(c.logit - most);
  double sum = 0;
  size_t keep = 0;
  while (keep < items_.size()) {
    // Sorting more and more: most often the first few suffice.
    if (keep >= sorted_) sort_first(std::max<size_t>(64, sorted_ * 4));
    sum += std::exp(items_[keep++].logit - most) / total;
    if (sum >= p) break;
  }
  items_.resize(keep);
  sorted_ = std::min(sorted_, keep);
}

void Candidates::keep_min_p(double p) {
  if (p <= 0) return;
  double least = highest() + std::log(p);
  size_t kept = 0, kept_sorted = 0;
  for (size_t i = 0; i < items_.size(); ++i) {
    if (items_[i].logit < least) continue;
    if (i < sorted_) ++kept_sorted;
    items_[kept++] = items_[i];
  }
  items_.resize(std::max<size_t>(kept, 1));
  sorted_ = kept_sorted;
}

template <class Key>
void Candidates::keep_nearest(double p, Key key) {
  auto shares = probabilities();
  ranked_.clear();
  ranked_.reserve(items_.capacity());
  for (size_t i = 0; i < items_.size(); ++i) {
    ranked_.push_back({key(shares[i]), shares[i], items_[i]});
  }
  std::sort(ranked_.begin(), ranked_.end(), [](const Ranked& a, const Ranked& b) {
    return a.key < b.key || (a.key == b.key && a.item.id < b.item.id);
  });
  items_.clear();
  sorted_ = 0;
  double sum = 0;
  for (const Ranked& r : ranked_) {
    items_.push_back(r.item);
    sum += r.probability;
    if (sum >= p) break;
  }
}

void Candidates::keep_typical(double p) {
  if (p >= 1) return;
  double entropy = 0;
  for (double share : probabilities()) {
    if (share > 0) entropy -= share * std::log(share);
  }
  keep_nearest(p, [entropy](double share) {
    return share > 0 ? std::fabs(-std::log(share) - entropy)
                     : std::numeric_limits<double>::infinity();
  });
}

void Candidates::keep_surprise(double bits) {
  sort_first(1);
  auto shares = probabilities();
  size_t kept = 1, kept_sorted = 1;
  for (size_t i = 1; i < items_.size(); ++i) {
    if (-std::log2(shares[i]) > bits) continue;
    if (i < sorted_) ++kept_sorted;
    items_[kept++] = items_[i];
  }
  items_.resize(kept);
  sorted_ = kept_sorted;
}

size_t Candidates::draw(Random& random) { return random.categorical(probabilities()); }

}  // namespace tessera
