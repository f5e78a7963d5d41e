// Tokens that reach over spaces. Source: Sharthak et al. 2025, arXiv 2505.09738, its tokenizer
// half; docs/repro/tokenadapt-supertokens.md.
#pragma once

#include "tessera/eval/repro.h"

namespace tessera {

// Throws Error below 1,100 lines.
ReproResult repro_tokenadapt_supertokens(const ReproRequest& request);

}  // namespace tessera
