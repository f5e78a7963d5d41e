#include "tessera/eval/effective_length.h"

namespace tessera {

EffectiveLength effective_length(std::span<const LengthScore> scores, double threshold) {
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i].share >= threshold) continue;
    if (i == 0) return {};
    const LengthScore &a = scores[i - 1], &b = scores[i];
    const double part = (a.share - threshold) / (a.share - b.share);
    return {static_cast<double>(a.length) + part * static_cast<double>(b.length - a.length), false};
  }
  return scores.empty() ? EffectiveLength{}
                        : EffectiveLength{static_cast<double>(scores.back().length), true};
}

}  // namespace tessera
