// Vocabularies for one field and of a few characters a token. Source: Bommarito et al. 2025, arXiv
// 2503.17247; docs/repro/domain-tokenizers.md.
#pragma once

#include "tessera/eval/repro.h"

namespace tessera {

// The sources are general texts; the file "domain" holds those of a field, of which as many bytes
// are learned from. Without it the claims about a field are left out. Throws Error below 1,100
// lines.
ReproResult repro_domain_tokenizers(const ReproRequest& request);

}  // namespace tessera
