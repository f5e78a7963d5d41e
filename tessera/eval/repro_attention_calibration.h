// Attention sinks, and what weakening them does. Source: Yu et al. 2024, arXiv 2406.15765;
// docs/repro/attention-calibration.md.
#pragma once

#include "tessera/eval/repro.h"

namespace tessera {

// Sinks in 24 paragraphs, and a search among the heads of two middle layers, whose gain is measured
// on as many choices of a sentence's last word as items says (60 where it does not). Throws Error
// for texts with too few of either.
ReproResult repro_attention_calibration(const ReproRequest& request);

}  // namespace tessera
