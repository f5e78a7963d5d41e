#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tessera {

// Text from an untrusted file as a one-line error may show it: control bytes and bytes above 126
// as \xNN, cut after `most` bytes.
std::string shown(std::string_view text, size_t most = 80);

}  // namespace tessera
