#include "tessera/eval/repro.h"

#include "tessera/eval/repro_cabrita.h"
#include "tessera/eval/repro_domain_tokenizers.h"
#include "tessera/eval/repro_less_is_better.h"
#include "tessera/eval/repro_linguistic_integrity.h"
#include "tessera/eval/repro_tokenadapt_supertokens.h"
#include "tessera/eval/repro_tokenization_theory.h"

namespace tessera {

std::span<const Repro> repros() {
  static constexpr Repro kAll[] = {
      {"cabrita", "tokens that a vocabulary in use saves when a language is added to it",
       "language", repro_cabrita},
      {"domain-tokenizers", "vocabularies for one field, and of a few characters a token", "domain",
       repro_domain_tokenizers},
      {"less-is-better", "a lexicon of words and phrases against byte pairs of the same size", "",
       repro_less_is_better},
      {"linguistic-integrity", "how many tokens are words or parts of words of Turkish",
       "roots gold english", repro_linguistic_integrity},
      {"tokenadapt-supertokens", "tokens that reach over spaces against those of words", "",
       repro_tokenadapt_supertokens},
      {"tokenization-theory", "how near single tokens come to the entropy of their source", "",
       repro_tokenization_theory},
  };
  return kAll;
}

}  // namespace tessera
