#include "tessera/tokenizer/parts.h"

#include "tessera/base/error.h"

namespace tessera {

void Model::draw(std::string_view, bool, const Sampling&, Random&, std::vector<ModelToken>&) const {
  throw Error("", name() + " cuts a text in one way, so that there is nothing to draw",
              "Byte pairs and Unigram can be sampled.");
}

std::vector<ScoredWay> Model::best_ways(std::string_view, bool, size_t) const {
  throw Error("", name() + " gives its tokens no scores to rank ways by",
              "Unigram vocabularies do.");
}

}  // namespace tessera
