#include "tessera/tokenizer/boundaries.h"

#include <cstddef>

namespace tessera {

void BoundaryCounts::add(std::span<const int64_t> cuts, std::span<const int64_t> right) {
  found += static_cast<int64_t>(cuts.size());
  wanted += static_cast<int64_t>(right.size());
  for (size_t i = 0, j = 0; i < cuts.size() && j < right.size();) {
    hits += cuts[i] == right[j];
    if (cuts[i] <= right[j]) {
      ++i;
    } else {
      ++j;
    }
  }
}

double BoundaryCounts::precision() const {
  return found == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(found);
}

double BoundaryCounts::recall() const {
  return wanted == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(wanted);
}

double BoundaryCounts::f1() const {
  const auto all = static_cast<double>(found + wanted);
  return all == 0 ? 0 : 2 * static_cast<double>(hits) / all;
}

}  // namespace tessera
