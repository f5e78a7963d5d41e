#include "tessera/tokenizer/train/sub_units.h"

#include <algorithm>
#include <utility>

#include "tessera/text/utf8.h"

namespace tessera {

SubUnits::SubUnits(std::span<const std::string> units) {
  for (const std::string& unit : units) {
    ordinals_.emplace(unit, static_cast<int64_t>(ordinals_.size()));
  }
}

size_t SubUnits::cut(std::string_view unit) const {
  const auto whole = ordinals_.find(std::string(unit));
  if (whole == ordinals_.end()) return 0;
  size_t best = 0;
  std::pair<int64_t, int64_t> least;
  for (size_t at = 0; at < unit.size();) {
    at += unit_at(unit, at).length;
    if (at == unit.size()) break;
    const auto left = ordinals_.find(std::string(unit.substr(0, at)));
    const auto right = ordinals_.find(std::string(unit.substr(at)));
    if (left == ordinals_.end() || right == ordinals_.end()) continue;
    if (std::max(left->second, right->second) >= whole->second) continue;
    const std::pair pair{left->second, right->second};
    if (best > 0 && least <= pair) continue;
    best = at;
    least = pair;
  }
  return best;
}

std::vector<std::string> SubUnits::split(std::string_view unit) const {
  std::vector<std::string> out;
  const auto add = [&](std::string_view part) {
    const size_t at = cut(part);
    if (at == 0) return out.emplace_back(part), void();
    out.emplace_back(part.substr(0, at));
    out.emplace_back(part.substr(at));
  };
  const size_t at = cut(unit);
  if (at == 0) return {std::string(unit)};
  add(unit.substr(0, at));
  add(unit.substr(at));
  return out;
}

}  // namespace tessera
