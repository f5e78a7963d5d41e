// How near a model of single tokens comes to the entropy of a source. Source: Rajaraman et al.
// 2024, arXiv 2404.08335; docs/repro/tokenization-theory.md.
#pragma once

#include "tessera/eval/repro.h"

namespace tessera {

// Sources of known entropy (400,000 letters to learn from, 200,000 to measure on), then up to
// 27,500 different lines of the texts of which 3,000 are held out. Throws Error below 1,100 lines.
ReproResult repro_tokenization_theory(const ReproRequest& request);

}  // namespace tessera
