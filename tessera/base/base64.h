// Base64 (RFC 4648, section 4).
#pragma once

#include <string>
#include <string_view>

namespace tessera {

// Appends the bytes that `text` stands for. Gives false, with `out` undefined, when it is not
// base64: other characters, a length that is no multiple of four, padding elsewhere than at the
// end.
bool decode_base64(std::string_view text, std::string& out);
std::string encode_base64(std::string_view bytes);

}  // namespace tessera
