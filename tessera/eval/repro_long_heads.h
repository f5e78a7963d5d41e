// LongHeads beyond the trained window. Source: Lu et al. 2024, arXiv 2402.10685;
// docs/repro/long-heads.md.
#pragma once

#include "tessera/eval/repro.h"

namespace tessera {

// On recall-mini, which is trained where it is missing; items: questions a cell.
ReproResult repro_long_heads(const ReproRequest& request);

}  // namespace tessera
