// Two encodings become one.
#pragma once

#include "tessera/tokenizer/parts.h"

namespace tessera {

// How each of two texts is encoded before they are joined: without template and whole.
EncodeOptions options_of_one(const EncodeOptions& options);

// Cuts both as rules and options say, puts the template around them, pads. Throws Error where the
// rules cannot be followed: the text that may be cut is too short.
PairEncoding join_pair(Encoding first, Encoding second, const TextTemplate& frame,
                       const LengthRules& rules, const EncodeOptions& options);

// Cuts `encoding` to `count` tokens, at its front or its end.
void cut(Encoding& encoding, size_t count, bool front);

}  // namespace tessera
