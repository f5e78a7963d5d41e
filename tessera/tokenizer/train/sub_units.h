// Less is Better's way back from phrases to words: a unit is cut where two better known ones make
// it. Source: Yang, Frank and van den Bosch 2020, ACL 2020.cogalex-1.4.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tessera {

class SubUnits {
 public:
  // Units by ordinal, the best known first; none twice.
  explicit SubUnits(std::span<const std::string> units);
  // What a unit is made of: two units of smaller ordinals both, of all such pairs the one with the
  // smallest ordinals, the first part's deciding; each of them in the same way once more. A text
  // that is no unit, or cannot be cut so, is given back whole. Never cut inside a character.
  std::vector<std::string> split(std::string_view unit) const;

 private:
  // Bytes of the first part; 0: the unit stays whole.
  size_t cut(std::string_view unit) const;
  std::unordered_map<std::string, int64_t> ordinals_;
};

}  // namespace tessera
