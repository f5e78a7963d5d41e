// Less is Better against other vocabularies of the same size. Source: Yang 2024, arXiv 2403.00417;
// docs/repro/less-is-better.md.
#pragma once

#include "tessera/eval/repro.h"

namespace tessera {

// Takes 22,000 lines, evenly spread over the texts' first 256 MB (or all, where there are fewer);
// every eleventh is held out. Throws Error below 1,100.
ReproResult repro_less_is_better(const ReproRequest& request);

}  // namespace tessera
