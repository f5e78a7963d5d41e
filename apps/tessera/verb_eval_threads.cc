#include "apps/tessera/eval_needle.h"

namespace tessera::cli {

Verb verb_eval_threads() {
  NeedleOptions standard;
  standard.unit = NeedleUnit::hex8;
  return needle_verb("threads", "chains of keys and values through a JSON object",
                     "  tessera eval threads --steps 1 --lengths 1024,2048\n"
                     "With one step it is a single needle among its like, with more a chain.",
                     standard, SweepKind::threads);
}

}  // namespace tessera::cli
