// InfiniRetri's retrieval by attention. Source: Ye, Wang and Wang 2025, arXiv 2502.12962;
// docs/repro/infini-retri.md.
#pragma once

#include "tessera/eval/repro.h"

namespace tessera {

// Hides facts in texts of 12,000 bytes; items: texts, 12 where it does not say; beyond 24, which
// are all facts that there are, they are hidden again in others. Throws Error for texts that are
// too short.
ReproResult repro_infini_retri(const ReproRequest& request);

}  // namespace tessera
