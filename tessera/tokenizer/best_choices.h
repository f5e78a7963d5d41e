// One item of each of several lists, so that the sum of their scores is among the greatest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

struct BestChoice {
  double sum = 0;
  std::vector<uint32_t> items;  // one index a list
};

// The `count` choices with the greatest sums, greatest first; fewer where there are fewer. Each
// list is in descending order and not empty. Throws Error where the result would take gigabytes.
// Cost: O(lists * count * log count).
std::vector<BestChoice> best_choices(std::span<const std::vector<double>> lists, size_t count);

}  // namespace tessera
