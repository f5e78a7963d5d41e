// Which heads to calibrate: each was tried alone, and those that helped are kept.
// Source: Yu et al. 2024, arXiv 2406.15765, section 4; the rule of what helps is ours.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tessera/context/act_file.h"
#include "tessera/context/sinks.h"
#include "tessera/eval/choice_score.h"

namespace tessera {

// A head that was tried alone.
struct HeadTrial {
  HeadId id;
  ChoiceMeans means;
};

struct KeepRule {
  double margin = 0;     // by which accuracy must rise, as a share of the items
  bool accuracy = true;  // false: the gold answer's log-probability alone decides
  int64_t most = 0;      // keep the best so many; 0: all
};

// Heads whose accuracy rises by more than the margin and whose mean log-probability of the gold
// answer rises, too. Ascending; of too many those stay that gain most (accuracy first).
std::vector<ActHead> kept_heads(const ChoiceMeans& plain, std::span<const HeadTrial> trials,
                                const KeepRule& rule);

// The `count` heads that lose most log-probability: what must not help.
std::vector<HeadId> worst_heads(std::span<const HeadTrial> trials, size_t count);

// `count` heads at random: a control of equal size. Different draws of a seed differ.
std::vector<HeadId> random_heads(std::span<const HeadTrial> trials, size_t count, uint64_t seed,
                                 uint64_t draw);

}  // namespace tessera
