#include "apps/tessera/eval_needle.h"

namespace tessera::cli {

Verb verb_eval_niah() {
  NeedleOptions standard;
  standard.others = 3;
  return needle_verb("niah", "a number among others with other keys, as RULER's niah_multikey_1",
                     "  tessera eval niah --lengths 1024,2048 --context snapkv --budget 256,512",
                     standard);
}

}  // namespace tessera::cli
