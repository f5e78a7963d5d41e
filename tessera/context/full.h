// Attends, at each step, to everything before it: the default.
#pragma once

#include <memory>

#include "tessera/network/policy.h"

namespace tessera {

struct FullOptions {};
template <class V>
void fields(V&, FullOptions&) {}

std::unique_ptr<ContextPolicy> full(const FullOptions& options);

}  // namespace tessera
