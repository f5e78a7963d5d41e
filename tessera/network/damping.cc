#include "tessera/network/damping.h"

#include <algorithm>
#include <cmath>

namespace tessera {

void take_out(std::span<const Run> runs, std::span<const Run> damped, std::vector<Run>& rest) {
  rest.clear();
  size_t d = 0;
  for (const Run& run : runs) {
    int64_t begin = run.begin;
    for (; d < damped.size() && damped[d].begin < run.end; ++d) {
      if (begin < damped[d].begin) rest.push_back({begin, damped[d].begin, run.query_position});
      begin = damped[d].end;
    }
    if (begin < run.end) rest.push_back({begin, run.end, run.query_position});
  }
}

void join_damped(float factor, float damped_maximum, float damped_total, const float* damped,
                 int64_t width, float maximum, float& total, float* weighted) {
  if (damped_total == 0) return;
  const float most = std::max(maximum, damped_maximum);
  const float damped_scale = std::exp(damped_maximum - most);
  const float rest_scale = total == 0 ? 0 : std::exp(maximum - most);
  const float damped_mass = damped_total * damped_scale, rest_mass = total * rest_scale;
  const float share = damped_mass / (damped_mass + rest_mass);
  float of_damped = damped_scale, of_rest = rest_scale, sum = damped_mass + rest_mass;
  if (1 - share >= 1e-6f) {
    of_damped = factor * share / damped_total;
    of_rest = (1 - factor * share) / total;
    sum = 1;
  }
  for (int64_t d = 0; d < width; ++d) weighted[d] = of_damped * damped[d] + of_rest * weighted[d];
  total = sum;
}

}  // namespace tessera
