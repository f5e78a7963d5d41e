// By which a file of something made with a model knows that model again.
#pragma once

#include <span>
#include <string>

#include "tessera/files/stored_tensor.h"

namespace tessera {

// Hash of every tensor's name, type and bytes, in their order: "xxh64:44bc2cf5ad770999". Reads them
// all once.
std::string weights_hash(std::span<const StoredTensor> tensors);

}  // namespace tessera
