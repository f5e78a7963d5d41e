// A picture of a sweep: one panel a policy, lengths across, depths down.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::cli {

struct HeatCell {
  std::string policy;
  int64_t length = 0;
  double depth = 0;  // 0 .. 1
  int64_t right = 0, n = 0;
};

// An SVG document. Cells carry their counts: a colour without its n says nothing.
std::string heat_map(const std::string& title, const std::vector<HeatCell>& cells);

}  // namespace tessera::cli
