#include "tessera/decode/scorer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tessera/base/error.h"

namespace tessera {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

}  // namespace

Scorer::Scorer(const SearchSetup& setup, const PenaltyOptions& penalties)
    : setup_(setup), penalties_(penalties) {
  changes_ = penalties.any() || !setup.logit_bias.empty() || !setup.constraint->everything();
  if (changes_) scores_.resize(static_cast<size_t>(setup.vocabulary));
  if (penalties.any()) counts_.resize(static_cast<size_t>(setup.vocabulary));
  for (const LogitBias& b : setup.logit_bias) {
    if (b.id < 0 || b.id >= setup.vocabulary || std::isnan(b.bias) || b.bias > 1e30) {
      throw Error("logit bias",
                  "token " + std::to_string(b.id) + " with bias " + std::to_string(b.bias),
                  "Ids run from 0 to " + std::to_string(setup.vocabulary - 1) +
                      ", a bias is a number or -infinity.");
    }
  }
}

std::span<const float> Scorer::score(const Branch& branch, std::span<const float> row) {
  row_ = row;
  nothing_left_ = false;
  log_total_ = std::numeric_limits<double>::quiet_NaN();
  check_logits(row);
  auto known = static_cast<size_t>(
      std::min<int64_t>(setup_.vocabulary, setup_.tokenizer->vocabulary().size()));
  if (!changes_) return row.first(known);
  std::copy(row.begin(), row.end(), scores_.begin());
  for (const LogitBias& b : setup_.logit_bias) {
    scores_[static_cast<size_t>(b.id)] += static_cast<float>(b.bias);
  }
  if (penalties_.any()) penalise(branch);
  if (penalties_.no_repeat_ngram > 0 || !setup_.constraint->everything()) log_total();
  if (penalties_.no_repeat_ngram > 0) forbid_repeats(branch);
  if (!setup_.constraint->everything()) mask(branch);
  auto scores = std::span<const float>(scores_).first(known);
  nothing_left_ =
      std::all_of(scores.begin(), scores.end(), [](float x) { return x == kForbidden; });
  return scores;
}

double Scorer::log_total() {
  if (std::isnan(log_total_)) log_total_ = log_sum_exp(changes_ ? scores_ : row_);
  return log_total_;
}

TokenId Scorer::history(const Branch& branch, size_t i) const {
  return i < setup_.prompt.size() ? setup_.prompt[i] : branch.ids[i - setup_.prompt.size()];
}

void Scorer::penalise(const Branch& branch) {
  size_t all = setup_.prompt.size() + branch.ids.size();
  auto each = [&](size_t begin, auto&& change) {
    for (size_t i = begin; i < all; ++i) ++counts_[static_cast<size_t>(history(branch, i))];
    for (size_t i = begin; i < all; ++i) {
      auto id = static_cast<size_t>(history(branch, i));
      if (counts_[id] > 0) change(scores_[id], counts_[id]);
      counts_[id] = 0;
    }
  };
  if (penalties_.repeat != 1) {
    auto last = static_cast<size_t>(penalties_.repeat_last);
    each(last > 0 && last < all ? all - last : 0, [&](float& score, int32_t /*count*/) {
      double x = score;
      score = static_cast<float>(x > 0 ? x / penalties_.repeat : x * penalties_.repeat);
    });
  }
  if (penalties_.presence != 0 || penalties_.frequency != 0) {
    each(setup_.prompt.size(), [&](float& score, int32_t count) {
      score -= static_cast<float>(penalties_.presence + penalties_.frequency * count);
    });
  }
}

void Scorer::forbid_repeats(const Branch& branch) {
  auto n = static_cast<size_t>(penalties_.no_repeat_ngram);
  size_t all = setup_.prompt.size() + branch.ids.size();
  if (all < n) return;
  // The last n - 1 tokens came before: what followed them then may not follow now.
  size_t tail = all - (n - 1);
  for (size_t i = 0; i + n <= all; ++i) {
    bool same = true;
    for (size_t j = 0; same && j + 1 < n; ++j) {
      same = history(branch, i + j) == history(branch, tail + j);
    }
    if (same) scores_[static_cast<size_t>(history(branch, i + n - 1))] = kForbidden;
  }
}

void Scorer::mask(const Branch& branch) {
  const Vocabulary& vocabulary = setup_.tokenizer->vocabulary();
  auto next = branch.constraint->next_bytes();
  bool complete = branch.constraint->complete();
  auto known = static_cast<size_t>(std::min<int64_t>(setup_.vocabulary, vocabulary.size()));
  for (size_t i = 0; i < known; ++i) {
    Piece piece = piece_of(vocabulary, static_cast<TokenId>(i));
    bool stop = std::find(setup_.stop_ids.begin(), setup_.stop_ids.end(), piece.id) !=
                setup_.stop_ids.end();
    if (stop) {
      if (!complete) scores_[i] = kForbidden;
      continue;
    }
    // A token that says nothing would go on for ever.
    bool says = !piece.bytes.empty() || !piece.control.empty();
    bool quick =
        piece.bytes.empty() || !next || next->test(static_cast<unsigned char>(piece.bytes.front()));
    if (!says || !quick || !branch.constraint->possible(piece)) scores_[i] = kForbidden;
  }
  std::fill(scores_.begin() + static_cast<ptrdiff_t>(known), scores_.end(), kForbidden);
}

Step Scorer::step_of(TokenId id) const {
  Step step{.id = id, .logprob = 0, .kept_mass = 1, .top = {}};
  double total = log_sum_exp(row_);
  step.logprob = row_[static_cast<size_t>(id)] - total;
  if (!setup_.constraint->everything()) {
    step.kept_mass = 0;
    for (size_t i = 0; i < scores_.size(); ++i) {
      if (scores_[i] != kForbidden) step.kept_mass += std::exp(row_[i] - total);
    }
  }
  auto wanted = static_cast<size_t>(std::min<int64_t>(setup_.top_logprobs, setup_.vocabulary));
  for (size_t i = 0; wanted > 0 && i < row_.size(); ++i) {
    if (step.top.size() == wanted && row_[i] - total <= step.top.back().logprob) continue;
    if (step.top.size() == wanted) step.top.pop_back();
    TokenLogprob entry{static_cast<TokenId>(i), row_[i] - total};
    auto at = std::upper_bound(
        step.top.begin(), step.top.end(), entry,
        [](const TokenLogprob& a, const TokenLogprob& b) { return a.logprob > b.logprob; });
    step.top.insert(at, entry);
  }
  return step;
}

void Scorer::choose(Branch& branch, TokenId id) {
  if (setup_.top_logprobs >= 0) branch.steps.push_back(step_of(id));
  branch.extend(setup_, id);
}

}  // namespace tessera
