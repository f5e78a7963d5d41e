#pragma once

#include <string_view>

namespace tessera {

// "0.1.0": the semantic version of library, command line and every file format of ours.
std::string_view version();
// Short hash of the commit that was built, or "unknown".
std::string_view commit();

}  // namespace tessera
