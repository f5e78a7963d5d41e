// What the terms of a field cost. Source: Bommarito et al. 2025, arXiv 2503.17247, whose legal and
// financial terms these are.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// Terms of a list: "legal", "financial". Empty: there is none of this name.
std::span<const std::string_view> known_terms(std::string_view list);

// Tokens of a term without templates: alone, and behind a word and a space.
struct TermCost {
  int64_t bare = 0, behind_space = 0;
};
TermCost term_cost(const Tokenizer& tokenizer, std::string_view term);

// Neighbouring words that tell a text from others: those whose occurrences times the logarithm of
// (documents / documents that hold them) are greatest. Words are runs of letters of ASCII and of
// what is not ASCII, of three bytes and more, a single space between them; a hundred lines are a
// document.
class WordPairs {
 public:
  // One more text of any number of lines. Memory grows with the distinct pairs, up to a million.
  void add(std::string_view text);
  // At most `count`, the greatest first; of equal ones the smaller text.
  std::vector<std::string> top(size_t count) const;

 private:
  struct Found {
    int64_t times = 0, documents = 0, last = -1;  // last: the document that it was last seen in
  };
  void add_line(std::string_view line);

  std::unordered_map<std::string, Found> found_;
  int64_t lines_ = 0;
};

}  // namespace tessera
