// Keeps the few likeliest texts at each step and gives the best whole ones.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tessera/decode/scorer.h"
#include "tessera/decode/strategy.h"

namespace tessera {

struct BeamOptions {
  int64_t beams = 4;
  double length_penalty = 1;
  int64_t n_best = 1;
  std::string until = "sure";
  PenaltyOptions penalties;
};
template <class V>
void fields(V& v, BeamOptions& o) {
  v("beams", o.beams, "texts kept at each step", between(1, 1024));
  v("length-penalty", o.length_penalty,
    "texts rank by log-probability / tokens ^ this; 0: by log-probability", between(-10, 10));
  v("n-best", o.n_best, "texts given, best first; at most `beams`", between(1, 1024));
  v("until", o.until,
    "stop when no open text can still win (sure), when n-best have ended (first), when all have "
    "ended (all)",
    {"sure", "first", "all"});
  fields(v, o.penalties);
}

// Throws Error when n-best exceeds beams.
std::unique_ptr<Strategy> beam(const BeamOptions& options);

}  // namespace tessera
