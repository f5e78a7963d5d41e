#include "apps/tessera/eval_needle.h"

namespace tessera::cli {

Verb verb_eval_needle() {
  return needle_verb("needle", "a number hidden in a long text: which policies still find it",
                     "  tessera eval needle --context full --context quest --budget 512\n"
                     "One line a policy and length: the share found, with a 95 % interval.",
                     {});
}

}  // namespace tessera::cli
