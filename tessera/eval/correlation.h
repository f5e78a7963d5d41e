// How two measures of the same things go together, with how often chance would do as well.
#pragma once

#include <cstdint>
#include <span>

namespace tessera {

struct Correlation {
  int64_t n = 0;
  double r = 0;     // Pearson's
  double rank = 0;  // Spearman's: Pearson's of the ranks, ties sharing their mean
  // Share of the orders of one side whose |r| is at least this large: of all of them up to eight
  // values, else of 100,000 random ones.
  double p = 1;
};

// Throws Error below three values, where the numbers of both sides differ, and where a side is all
// one value.
Correlation correlation(std::span<const double> x, std::span<const double> y);

}  // namespace tessera
