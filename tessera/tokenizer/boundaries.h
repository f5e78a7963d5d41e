// How well places to cut a text agree with those that are right.
#pragma once

#include <cstdint>
#include <span>

namespace tessera {

// Sums over texts.
struct BoundaryCounts {
  int64_t hits = 0, found = 0, wanted = 0;
  // One more text: places inside of it, ascending, none twice.
  void add(std::span<const int64_t> cuts, std::span<const int64_t> right);
  // Shares of what was found and of what was wanted, and their harmonic mean; 0 where there is
  // none.
  double precision() const;
  double recall() const;
  double f1() const;
};

}  // namespace tessera
