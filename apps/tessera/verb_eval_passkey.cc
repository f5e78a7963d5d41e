#include "apps/tessera/needle_task.h"

namespace tessera::cli {

Verb verb_eval_passkey() {
  return sweep_verb("passkey", "a pass key hidden in a long text, as in Landmark Attention",
                    "  tessera eval passkey --lengths 1024 --context streaming:local=512", [] {
                      NeedleOptions standard;
                      standard.kind = NeedleKind::passkey;
                      standard.unit = NeedleUnit::digits5;
                      return std::make_unique<NeedleTask>("passkey", standard);
                    });
}

}  // namespace tessera::cli
