#include "tessera/files/shown.h"

namespace tessera {

std::string shown(std::string_view text, size_t most) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (unsigned char c : text.substr(0, most)) {
    if (c >= ' ' && c < 127) {
      out += static_cast<char>(c);
    } else {
      out += {'\\', 'x', kHex[c >> 4], kHex[c & 15]};
    }
  }
  return text.size() > most ? out + "..." : out;
}

}  // namespace tessera
