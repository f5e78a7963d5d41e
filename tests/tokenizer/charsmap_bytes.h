// Writes precompiled maps for tests, plainly: every node has a block of units of its own.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tessera::fixtures {

inline std::string charsmap_bytes(const std::map<std::string, std::string>& strings) {
  std::vector<uint32_t> units(512);
  std::string text;
  units[0] = 256 << 10;
  std::map<std::string, uint32_t> block = {{"", 256}};  // where the children of a prefix lie
  for (const auto& [key, to] : strings) {
    for (size_t n = 1; n <= key.size(); ++n) {
      const std::string prefix = key.substr(0, n);
      const auto byte = static_cast<unsigned char>(key[n - 1]);
      const uint32_t node = block[key.substr(0, n - 1)] ^ byte;
      if (!block.contains(prefix)) {
        block[prefix] = static_cast<uint32_t>(units.size());
        units.resize(units.size() + 256);
        units[node] = (block[prefix] ^ node) << 10 | byte;
      }
      if (n < key.size()) continue;
      units[node] |= 1 << 8;
      units[block[prefix]] = 1U << 31 | static_cast<uint32_t>(text.size());
    }
    text += to + '\0';
  }
  const auto size = static_cast<uint32_t>(4 * units.size());
  std::string out(reinterpret_cast<const char*>(&size), 4);
  out.append(reinterpret_cast<const char*>(units.data()), size);
  return out + text;
}

}  // namespace tessera::fixtures
