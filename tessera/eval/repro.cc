#include "tessera/eval/repro.h"

#include "tessera/eval/repro_less_is_better.h"

namespace tessera {

std::span<const Repro> repros() {
  static constexpr Repro kAll[] = {
      {"less-is-better", "a lexicon of words and phrases against byte pairs of the same size",
       repro_less_is_better},
  };
  return kAll;
}

}  // namespace tessera
