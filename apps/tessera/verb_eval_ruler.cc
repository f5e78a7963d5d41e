#include "apps/tessera/eval_needle.h"

namespace tessera::cli {

Verb verb_eval_ruler() {
  NeedleOptions standard;
  standard.seed = 42;
  return needle_verb("ruler", "RULER's synthetic tasks: needles, variables, frequent words",
                     "  tessera eval ruler --tasks niah_single_1,vt --lengths 1024,2048\n"
                     "Lengths count the answer, too. Without --tasks: all of them.",
                     standard, SweepKind::ruler);
}

}  // namespace tessera::cli
