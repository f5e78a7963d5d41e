// Keeps everything.
#pragma once

#include <memory>

#include "tessera/use/reader.h"

namespace tessera {

struct WholeOptions {};
template <class V>
void fields(V&, WholeOptions&) {}

// Refuses a document that does not fit the prompt's room.
std::unique_ptr<Reader> whole(const WholeOptions& options);

}  // namespace tessera
