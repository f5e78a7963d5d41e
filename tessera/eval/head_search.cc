#include "tessera/eval/head_search.h"

#include <algorithm>

namespace tessera {

std::vector<ActHead> kept_heads(const ChoiceMeans& plain, std::span<const HeadTrial> trials,
                                const KeepRule& rule) {
  std::vector<ActHead> kept;
  for (const HeadTrial& t : trials) {
    const double accuracy = t.means.accuracy - plain.accuracy, logprob = plain.nll - t.means.nll;
    // A hair's breadth: means of the same items may differ in their last bits.
    const bool risen = !rule.accuracy || accuracy > rule.margin + 1e-12;
    if (risen && logprob > 0) kept.push_back({t.id, accuracy, logprob});
  }
  if (rule.most > 0 && static_cast<int64_t>(kept.size()) > rule.most) {
    std::sort(kept.begin(), kept.end(), [](const ActHead& a, const ActHead& b) {
      if (a.accuracy_gain != b.accuracy_gain) return a.accuracy_gain > b.accuracy_gain;
      return a.logprob_gain != b.logprob_gain ? a.logprob_gain > b.logprob_gain : a.id < b.id;
    });
    kept.resize(static_cast<size_t>(rule.most));
  }
  std::sort(kept.begin(), kept.end(),
            [](const ActHead& a, const ActHead& b) { return a.id < b.id; });
  return kept;
}

std::vector<HeadId> worst_heads(std::span<const HeadTrial> trials, size_t count) {
  std::vector<HeadTrial> order(trials.begin(), trials.end());
  std::sort(order.begin(), order.end(), [](const HeadTrial& a, const HeadTrial& b) {
    return a.means.nll != b.means.nll ? a.means.nll > b.means.nll : a.id < b.id;
  });
  std::vector<HeadId> out;
  for (size_t i = 0; i < std::min(count, order.size()); ++i) out.push_back(order[i].id);
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<HeadId> random_heads(std::span<const HeadTrial> trials, size_t count, uint64_t seed,
                                 uint64_t draw) {
  const auto order = shuffled(trials.size(), seed, 1000 + draw);
  std::vector<HeadId> out;
  for (size_t i = 0; i < std::min(count, order.size()); ++i) out.push_back(trials[order[i]].id);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace tessera
