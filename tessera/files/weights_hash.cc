#include "tessera/files/weights_hash.h"

#include "tessera/base/hash.h"

namespace tessera {

std::string weights_hash(std::span<const StoredTensor> tensors) {
  Hash64 hash;
  for (const StoredTensor& t : tensors) {
    hash.add(t.name);
    hash.add(static_cast<uint64_t>(t.type));
    hash.add({reinterpret_cast<const char*>(t.data.data()), t.data.size()});
  }
  return hash_text(hash.value());
}

}  // namespace tessera
