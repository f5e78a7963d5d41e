// What pictures need of XML.
#pragma once

#include <string>
#include <string_view>

namespace tessera::cli {

// Text that stands for itself between the tags of an SVG.
std::string escaped(std::string_view text);

}  // namespace tessera::cli
