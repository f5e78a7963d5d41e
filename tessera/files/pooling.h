#pragma once

#include <string>

#include "tessera/files/model_description.h"

namespace tessera {

// Reads how sentence-transformers pools an encoder's vectors (modules.json, 1_Pooling/config.json)
// into d.pooling and d.pooled_normalised; leaves them alone where the folder has no modules.json.
// Throws Error naming a module or a way of pooling that is not served.
void read_pooling(const std::string& folder, ModelDescription& d);

}  // namespace tessera
