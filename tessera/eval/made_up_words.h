// Words that no language has, all of six letters, so that none contains another.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/base/random.h"

namespace tessera {

// `count` different ones; at most 100,000.
std::vector<std::string> made_up_words(Random& random, int64_t count);

}  // namespace tessera
