// From the text of an expression to a PCRE2 expression over class bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/text/unicode.h"
#include "tessera/tokenizer/pattern.h"

namespace tessera {

// An expression whose characters are numbers of sets.
struct ParsedPattern {
  struct Item {
    std::string syntax;  // PCRE2 syntax that stands for itself, used when set < 0
    int set = -1;
  };
  std::vector<Item> items;
  std::vector<CodeSet> sets;
};

// Throws Error with the column of what is not supported.
ParsedPattern parse_pattern(std::string_view expression, Dialect dialect);
ParsedPattern parse_literal(std::string_view text);

// The coarsest division of all units that the sets can tell apart.
struct CodeClasses {
  struct Run {
    char32_t first;  // up to the next run's first
    uint8_t number;
  };
  std::vector<Run> runs;
  std::vector<std::string> sets;  // the class numbers in each set, as bytes
};
// Throws Error when there are more than 256 classes.
CodeClasses classes_of(const std::vector<CodeSet>& sets);
// The PCRE2 expression over class bytes.
std::string expression_of(const ParsedPattern& pattern, const CodeClasses& classes);

}  // namespace tessera
