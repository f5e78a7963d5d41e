// A GGUF file as a model: its metadata as a description, its tensors in their places.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tessera/files/checkpoint.h"
#include "tessera/files/gguf.h"
#include "tessera/files/model_description.h"
#include "tessera/files/stored_tensor.h"

namespace tessera {

struct GgufModel {
  ModelDescription description;
  std::vector<StoredTensor> tensors;
  std::shared_ptr<Checkpoint> checkpoint;
  std::vector<std::string> inert;  // metadata keys of the architecture that change nothing
};

// Throws Error naming the key or tensor for what is missing, unknown or contradictory.
GgufModel open_gguf_model(std::shared_ptr<const GgufFile> file,
                          const std::vector<std::string>& assume_inert);

}  // namespace tessera
