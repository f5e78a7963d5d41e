// The output is one of the given texts, to the byte.
#pragma once

#include <memory>
#include <string>

#include "tessera/decode/constraint.h"

namespace tessera {

struct ChoiceOptions {
  std::string texts = "yes|no";
};
template <class V>
void fields(V& v, ChoiceOptions& o) {
  v("texts", o.texts, "the texts to choose from, separated by |");
}

// Throws Error when a text is empty.
std::unique_ptr<Constraint> choice(const ChoiceOptions& options);

}  // namespace tessera
