// Keeps what the question's attention points at. Source: Ye, Wang and Wang 2025, "Infinite
// Retrieval: Attention Enhanced LLMs in Long-Context Processing", arXiv 2502.12962, section 3; the
// squared weights of question tokens, counted once, follow its package infini-retri 0.0.3.
#pragma once

#include <memory>
#include <string>

#include "tessera/use/passages.h"

namespace tessera {

struct InfiniRetriOptions {
  ReadLimits limits;
  int64_t window = 1024;
  int64_t topk = 50;
  int64_t phrase = 8;
  std::string layer = "middle";
  int64_t power = 2;
  int64_t sinks = 0;
};
template <class V>
void fields(V& v, InfiniRetriOptions& o) {
  limit_fields(v, o.limits);
  v("window", o.window, "new tokens of the document a pass", at_least(16));
  v("topk", o.topk, "tokens whose sentences are kept after a pass", at_least(1));
  v("phrase", o.phrase, "neighbouring tokens whose attention counts together", at_least(1));
  v("layer", o.layer, "whose attention is read: middle, last, or a number from 0");
  v("power", o.power, "of the weight that a token of the question has; 0: all the same",
    between(0, 4));
  v("sinks", o.sinks, "first tokens of what is read that are not scored", at_least(0));
}

std::unique_ptr<Reader> infini_retri(const InfiniRetriOptions& options);

}  // namespace tessera
