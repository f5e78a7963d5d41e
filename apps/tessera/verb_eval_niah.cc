#include "apps/tessera/needle_task.h"

namespace tessera::cli {

Verb verb_eval_niah() {
  return sweep_verb("niah", "a number among others with other keys, as RULER's niah_multikey_1",
                    "  tessera eval niah --lengths 1024,2048 --context snapkv --budget 256,512",
                    [] {
                      NeedleOptions standard;
                      standard.others = 3;
                      return std::make_unique<NeedleTask>("niah", standard);
                    });
}

}  // namespace tessera::cli
