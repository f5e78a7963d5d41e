#include "apps/tessera/eval_needle.h"

namespace tessera::cli {

Verb verb_eval_passkey() {
  NeedleOptions standard;
  standard.kind = NeedleKind::passkey;
  standard.unit = NeedleUnit::digits5;
  return needle_verb("passkey", "a pass key hidden in a long text, as in Landmark Attention",
                     "  tessera eval passkey --lengths 1024 --context streaming:local=512",
                     standard);
}

}  // namespace tessera::cli
