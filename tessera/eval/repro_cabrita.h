// A vocabulary in use, and one more language. Source: Larcher et al. 2023, arXiv 2308.11878;
// docs/repro/cabrita.md.
#pragma once

#include "tessera/eval/repro.h"

namespace tessera {

// The sources are texts of the base's language, the file "language" holds those of the new one.
// A file "model", a SentencePiece `.model` of byte pairs, is one more base. Throws Error without
// the language's and below 1,100 lines of either.
ReproResult repro_cabrita(const ReproRequest& request);

}  // namespace tessera
