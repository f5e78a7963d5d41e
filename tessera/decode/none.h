// The trivial constraint: every text is allowed.
#pragma once

#include <memory>

#include "tessera/decode/constraint.h"

namespace tessera {

struct NoConstraintOptions {};
template <class V>
void fields(V& /*visitor*/, NoConstraintOptions& /*options*/) {}

std::unique_ptr<Constraint> no_constraint(const NoConstraintOptions& options);

}  // namespace tessera
