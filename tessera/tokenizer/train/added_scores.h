// Scores of pieces that are added to a Unigram vocabulary: logarithms of probabilities.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

namespace tessera {

// log of the sum of the probabilities whose logarithms are given. Needs at least one.
inline double log_mass(std::span<const float> scores) {
  const double most = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const float s : scores) sum += std::exp(s - most);
  return most + std::log(sum);
}

// What is to be added to the scores `added` so that `share` of all probability, 0 < share < 1, is
// theirs and the rest that of `old`. Needs at least one of either.
inline double raise_to_share(std::span<const float> old, std::span<const float> added,
                             double share) {
  return log_mass(old) + std::log(share / (1 - share)) - log_mass(added);
}

}  // namespace tessera
