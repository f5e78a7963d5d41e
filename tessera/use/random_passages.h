// Keeps sentences drawn at random: what a choice has to beat.
#pragma once

#include <memory>

#include "tessera/use/passages.h"

namespace tessera {

struct RandomPassagesOptions {
  ReadLimits limits;
  int64_t seed = 1;
};
template <class V>
void fields(V& v, RandomPassagesOptions& o) {
  limit_fields(v, o.limits);
  v("seed", o.seed, "seed of the draw", at_least(0));
}

std::unique_ptr<Reader> random_passages(const RandomPassagesOptions& options);

}  // namespace tessera
