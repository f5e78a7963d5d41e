// Guesses nothing: a pass gives one token.
#pragma once

#include <memory>

#include "tessera/decode/drafter.h"

namespace tessera {

struct NoDraftOptions {};
template <class V>
void fields(V& /*v*/, NoDraftOptions& /*o*/) {}

std::unique_ptr<Drafter> no_draft(const NoDraftOptions& options);

}  // namespace tessera
