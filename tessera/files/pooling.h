#pragma once

#include <string>

#include "tessera/files/model_description.h"

namespace tessera {

// Reads how sentence-transformers pools an encoder's vectors (modules.json, 1_Pooling/config.json)
// into d.pooling and d.pooled_normalised; leaves them alone where the folder has no modules.json.
// Throws Error naming a module or a way of pooling that is not served.
void read_pooling(const std::string& folder, ModelDescription& d);

// Tokens, template included, that sentence-transformers takes of one text
// (sentence_bert_config.json); 0 when the folder does not say.
int64_t read_longest_text(const std::string& folder);

}  // namespace tessera
