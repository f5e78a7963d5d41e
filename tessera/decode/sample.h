// Draws each token from the model's distribution, sharpened and cut in this order: bias, penalties,
// temperature, top-k, top-p, min-p, typical, Mirostat. docs/decode/sample.md has the definitions.
#pragma once

#include <cstdint>
#include <memory>

#include "tessera/decode/scorer.h"
#include "tessera/decode/strategy.h"

namespace tessera {

struct SampleOptions {
  double temp = 1;
  int64_t top_k = 0;
  double top_p = 1;
  double min_p = 0;
  double typical = 1;
  bool mirostat = false;
  double tau = 5;
  double eta = 0.1;
  PenaltyOptions penalties;
};
template <class V>
void fields(V& v, SampleOptions& o) {
  v("temp", o.temp, "temperature; 0: the likeliest token", between(0, 1000));
  v("top-k", o.top_k, "keep the k likeliest; 0: all", at_least(0));
  v("top-p", o.top_p, "keep the likeliest that sum to this share; 1: all", between(0, 1));
  v("min-p", o.min_p, "keep those at least this share of the likeliest; 0: all", between(0, 1));
  v("typical", o.typical, "keep the most typical that sum to this share; 1: all", between(0, 1));
  v("mirostat", o.mirostat, "hold the surprise per token near tau (version 2)");
  v("tau", o.tau, "Mirostat's surprise in bits", between(0, 100));
  v("eta", o.eta, "Mirostat's learning rate", between(0, 10));
  fields(v, o.penalties);
}

std::unique_ptr<Strategy> sample(const SampleOptions& options);

}  // namespace tessera
