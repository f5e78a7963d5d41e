// A search with one branch: the strategies that choose token after token and never look back.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "tessera/decode/scorer.h"
#include "tessera/decode/strategy.h"

namespace tessera {

// Picks the next id from scores of which at least one is above -infinity.
using Chooser = std::function<TokenId(std::span<const float> scores, Branch& branch)>;

std::unique_ptr<Search> single_search(const SearchSetup& setup, Branch first,
                                      const PenaltyOptions& penalties, Chooser choose);

}  // namespace tessera
