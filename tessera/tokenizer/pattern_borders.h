// What can be said of a pattern's matches from two neighbouring characters alone.
#pragma once

#include <bitset>
#include <memory>
#include <vector>

#include "tessera/tokenizer/pattern_parser.h"

namespace tessera {

// Works on class numbers (CodeClasses). The answers err on one side only: a border that is
// promised is there in every text; many that are there are not promised.
class PatternBorders {
 public:
  // Null for patterns that look behind, name the ends of a text or may match nothing.
  static std::unique_ptr<const PatternBorders> of(const ParsedPattern& pattern,
                                                  const CodeClasses& classes);

  // Whether between neighbours of these classes a match always ends or begins, whatever stands
  // around them, and neither side's matches depend on the other side.
  bool certain(uint8_t left, uint8_t right) const {
    return !together_[left][right] && (alone_[left] || alone_[right]);
  }

 private:
  using Set = std::bitset<256>;
  std::vector<Set> together_ =
      std::vector<Set>(256);  // [left][right]: within a match, or looked at
  Set alone_;                 // classes whose characters are matched wherever a search reaches them
  friend class PatternBordersReader;
};

}  // namespace tessera
