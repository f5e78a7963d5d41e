// The model that tests of several rooms start from.
#pragma once

#include "tessera/files/model_description.h"

namespace tessera::test {

// Llama-like: 2 layers, d = 64, 4 heads over 2 KV heads of 16, context 512.
inline ModelDescription tiny_description() {
  ModelDescription d;
  d.family = "tiny";
  d.vocabulary = 96;
  d.width = d.embedding_width = 64;
  d.layers = 2;
  d.context = 512;
  d.layer.resize(2);
  d.heads = 4;
  d.kv_heads = 2;
  d.head_width = d.rotary_width = 16;
  d.ffn_width = 96;
  return d;
}

}  // namespace tessera::test
