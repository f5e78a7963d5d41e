// TokenSelect beyond the trained window. Source: Wu et al. 2024, arXiv 2411.02886;
// docs/repro/token-select.md.
#pragma once

#include "tessera/eval/repro.h"

namespace tessera {

// On recall-mini, which is trained where it is missing; items: questions a cell.
ReproResult repro_token_select(const ReproRequest& request);

}  // namespace tessera
