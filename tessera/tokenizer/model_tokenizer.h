// The tokenizer that a reference names, and that of a model.
#pragma once

#include <memory>
#include <string>

#include "tessera/files/model.h"
#include "tessera/tokenizer/open_tokenizer.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// The tokenizer that `reference` names: a bare tokenizer file of any format, or that of a model,
// whose weights need not be there.
std::shared_ptr<const Tokenizer> open_tokenizer(const std::string& reference,
                                                const TiktokenOptions& ranks = {});

// The tokenizer that belongs to an opened model: in its GGUF file, or the tokenizer.json beside its
// weights.
std::shared_ptr<const Tokenizer> tokenizer_of(const ModelFiles& files);

}  // namespace tessera
