// How many tokens are words or parts of words of Turkish. Source: Bayram et al. 2025, arXiv
// 2502.07057; docs/repro/linguistic-integrity.md.
#pragma once

#include "tessera/eval/repro.h"

namespace tessera {

// Takes up to 27,500 different lines of 40 bytes and more; 3,000 are held out. With the files
// "roots" (roots of Turkish, one a line) and "gold" (read_gold() of linguistic.h) more is measured,
// with "english" also a vocabulary of English. Throws Error below 1,100 lines, and where there is
// no dictionary tr_TR.
ReproResult repro_linguistic_integrity(const ReproRequest& request);

}  // namespace tessera
