// Chains of keys: a list of keys of two words, in which the last word of each is the first word of
// exactly one other, and a chain through it is asked for.
// Source: the synthetic task of Xu et al. 2024, "Recycled Attention", arXiv 2411.05787, section 4.
// The wording is ours.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tessera/eval/needle.h"

namespace tessera {

struct ChainOptions {
  int64_t keys = 10;  // of the chain that is asked for
  uint64_t seed = 1;
};

// Item number `index`, with as many keys in its list as fit `room`, as make_needle(). `answers` is
// the chain that starts at the first key of the list. Throws Error when the smallest item, a list
// of as many keys as the chain has, does not fit.
NeedleItem make_chain(const ChainOptions& options, uint64_t index, int64_t room,
                      const std::function<int64_t(const std::string&)>& length);

// A chain of the length that the prompt asks for, read from it alone; none when it gives none.
std::vector<std::string> solve_chain(std::string_view prompt);

// Share of the wanted keys before the output's first fault: each key is one of `text`, and its
// first word is the last word of the key before. Any valid chain counts.
double score_chain(std::string_view output, std::string_view text, int64_t keys);

}  // namespace tessera
