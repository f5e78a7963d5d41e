// Byte-pair vocabularies as tiktoken has them: byte strings in the order in which they were found,
// and no list of merges. Any two neighbours whose bytes together are a token join, the lowest rank
// first. Its files: docs/formats/tiktoken.md, docs/formats/tekken.md.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// Of several names for one id, all are found in text and the first one is the token's own.
struct NamedSpecial {
  std::string text;
  TokenId id;
};

struct RankedVocabulary {
  std::vector<std::string> tokens;  // by rank; empty ones are ranks without a token
  TokenId first_id = 0;             // id of rank 0
  std::string pattern;              // how text is cut, in Dialect::rust
  std::vector<NamedSpecial> specials;
  std::optional<TokenId> bos, eos;
  bool library_refuses_control = false;  // as Tokenizer has it
};

// Throws Error naming `where` and the token: of more than 1,000 bytes, there twice, a single byte
// without a token, an id that two have, a pattern that is not supported.
std::shared_ptr<const Tokenizer> make_ranked_bpe(const RankedVocabulary& vocabulary,
                                                 const std::string& where);

}  // namespace tessera
