// Where a verb's tokenizer comes from.
#pragma once

#include <memory>
#include <string>

#include "tessera/tokenizer/tokenizer.h"

namespace tessera::cli {

// The tokenizer that `reference` names: a tokenizer.json, a folder that holds one, a GGUF file, or
// what resolve_model() makes of it.
std::shared_ptr<const Tokenizer> open_tokenizer(const std::string& reference);

}  // namespace tessera::cli
