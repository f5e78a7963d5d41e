#include "apps/tessera/eval_needle.h"

namespace tessera::cli {

Verb verb_eval_chain() {
  return needle_verb("chain", "a chain through a list of keys that begin where others end",
                     "  tessera eval chain --keys 5 --lengths 512,1024\n"
                     "Scored is how far each chain is valid, whichever one it is.",
                     {}, SweepKind::chain);
}

}  // namespace tessera::cli
