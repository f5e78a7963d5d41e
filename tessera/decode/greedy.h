// Takes the likeliest token, again and again.
#pragma once

#include <memory>

#include "tessera/decode/strategy.h"

namespace tessera {

struct GreedyOptions {};
template <class V>
void fields(V& /*visitor*/, GreedyOptions& /*options*/) {}

std::unique_ptr<Strategy> greedy(const GreedyOptions& options);

}  // namespace tessera
