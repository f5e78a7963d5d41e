// The 41 published systems that Tessera is about. A guest names the one it belongs to; a baseline
// belongs to none.
#pragma once

#include <span>
#include <string_view>

namespace tessera {

struct System {
  int number;
  std::string_view name;   // as in `tessera list`, `tessera repro` and guests.list
  std::string_view paper;  // "arXiv 2411.18553"
};

// All of them, by number: 1 to 41.
std::span<const System> systems();
// The one of that name; null when there is none.
const System* find_system(std::string_view name);

}  // namespace tessera
