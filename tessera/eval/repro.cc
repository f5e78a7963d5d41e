#include "tessera/eval/repro.h"

#include "tessera/eval/repro_attention_calibration.h"
#include "tessera/eval/repro_cabrita.h"
#include "tessera/eval/repro_domain_tokenizers.h"
#include "tessera/eval/repro_infini_retri.h"
#include "tessera/eval/repro_less_is_better.h"
#include "tessera/eval/repro_linguistic_integrity.h"
#include "tessera/eval/repro_long_heads.h"
#include "tessera/eval/repro_needle_threading.h"
#include "tessera/eval/repro_recycled_attention.h"
#include "tessera/eval/repro_token_select.h"
#include "tessera/eval/repro_tokenadapt_supertokens.h"
#include "tessera/eval/repro_tokenization_theory.h"

namespace tessera {

std::span<const Repro> repros() {
  static constexpr Repro kAll[] = {
      {"attention-calibration", "where attention sinks are, and what weakening them does", "", true,
       repro_attention_calibration},
      {"cabrita", "tokens that a vocabulary in use saves when a language is added to it",
       "language model", true, repro_cabrita},
      {"domain-tokenizers", "vocabularies for one field, and of a few characters a token", "domain",
       true, repro_domain_tokenizers},
      {"infini-retri", "facts kept by attention, against words and chance", "", true,
       repro_infini_retri},
      {"less-is-better", "a lexicon of words and phrases against byte pairs of the same size", "",
       true, repro_less_is_better},
      {"linguistic-integrity", "how many tokens are words or parts of words of Turkish",
       "roots gold english", true, repro_linguistic_integrity},
      {"long-heads", "chunks that each head chooses, on a model trained to recall", "", false,
       repro_long_heads},
      {"needle-threading", "threads through a JSON object, by length and direction", "", false,
       repro_needle_threading},
      {"recycled-attention", "few keys a step, against a list that is never made anew", "", true,
       repro_recycled_attention},
      {"token-select", "tokens that all heads vote for, on a model trained to recall", "", false,
       repro_token_select},
      {"tokenadapt-supertokens", "tokens that reach over spaces against those of words", "", true,
       repro_tokenadapt_supertokens},
      {"tokenization-theory", "how near single tokens come to the entropy of their source", "",
       true, repro_tokenization_theory},
  };
  return kAll;
}

}  // namespace tessera
