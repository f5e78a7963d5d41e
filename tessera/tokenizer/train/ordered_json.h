// A JSON value that is changed and written again in the order in which it was read.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <simdjson.h>

namespace tessera {

// The same value; nlohmann's own reader looks through all members for each one of an ordered
// object.
nlohmann::ordered_json ordered_json_of(simdjson::dom::element element);

}  // namespace tessera
