// InfiniRetri's retrieval by attention. Source: Ye, Wang and Wang 2025, arXiv 2502.12962;
// docs/repro/infini-retri.md.
#pragma once

#include "tessera/eval/repro.h"

namespace tessera {

// Hides facts in texts of 24,000 bytes; items: facts, 12 (all that there are) where it does not
// say. Throws Error for texts that are too short.
ReproResult repro_infini_retri(const ReproRequest& request);

}  // namespace tessera
