#include "apps/tessera/needle_task.h"

namespace tessera::cli {

Verb verb_eval_needle() {
  return sweep_verb("needle", "a number hidden in a long text: which policies still find it",
                    "  tessera eval needle --context full --context quest --budget 512\n"
                    "One line a policy and length: the share found, with a 95 % interval.",
                    [] { return std::make_unique<NeedleTask>("needle", NeedleOptions{}); });
}

}  // namespace tessera::cli
