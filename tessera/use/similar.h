// Keeps the sentences whose vectors are nearest to the question's.
#pragma once

#include <memory>
#include <string>

#include "tessera/use/passages.h"

namespace tessera {

struct SimilarOptions {
  ReadLimits limits;
  std::string model;
};
template <class V>
void fields(V& v, SimilarOptions& o) {
  limit_fields(v, o.limits);
  v("model", o.model,
    "encoder whose vectors are compared; without one, mean embeddings of the answering model's "
    "tokens");
}

// Cosines of vectors: those of an encoder, pooled as its folder says, of which a sentence's first
// tokens count as far as it reads; or means of rows of the answering model's embedding table.
std::unique_ptr<Reader> similar_passages(const SimilarOptions& options);

}  // namespace tessera
