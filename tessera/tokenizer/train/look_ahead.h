// The encoder of Less is Better that looks ahead: at each place the longest token is held against
// the next shorter one, as its reader judges them. No tokenizer.json says this; encode=fewest is
// what it comes near to. Source: Yang, Frank and van den Bosch 2020, ACL 2020.cogalex-1.4.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/tokenizer/train/lib_learning.h"

namespace tessera {

class LookAhead {
 public:
  // Tokens by ordinal, the best known first; none twice.
  explicit LookAhead(std::span<const std::string> tokens);
  // Ordinals of the tokens, -1 for a character that is none. Two ways lead on from each place by
  // longest match, one from the longest token, one from the next shorter one, until they meet: the
  // second is taken where it has fewer unknown characters, else fewer tokens, else the smaller sum
  // of ordinals. O(characters of the text times those until two ways meet).
  std::vector<int64_t> cut(std::string_view text) const;

 private:
  struct Way {
    size_t at;
    int64_t unknown = 0, tokens = 0, ordinals = 0;
  };
  // Leads a way on by a token, or by a character that is none.
  void lead(std::u32string_view text, Way& way) const;

  GrowingTrie trie_;
  size_t longest_ = 0;  // characters
};

}  // namespace tessera
