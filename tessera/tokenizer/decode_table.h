// Texts of many ids in one pass over a table of what each token writes.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tessera/tokenizer/parts.h"

namespace tessera {

// Error for an id that a vocabulary of `size` tokens does not have.
[[noreturn]] void refuse_token(TokenId id, int64_t size);

// Sixteen bytes a token: most tokens are short, are copied whole with one load and one store, and
// the table of a large vocabulary stays in the cache. Const, and so safe with threads.
class DecodeTable {
 public:
  // `decoder`: piecewise(), or null, when tokens write their bytes(). Both are kept; control tokens
  // write their piece.
  DecodeTable(const Vocabulary& vocabulary, const Decoder* decoder,
              const std::function<bool(TokenId)>& control);

  // The text; `skip_control` leaves control tokens out. Error: an id outside the vocabulary.
  std::string decode(std::span<const TokenId> ids, bool skip_control) const;

 private:
  static constexpr size_t kShort = 15;
  static constexpr uint8_t kLong = 16, kControl = 17;
  struct Entry {
    char bytes[kShort];  // of a short token; else, in front, its text's place in others_
    uint8_t size;        // at most kShort; kLong; kControl
  };

  std::vector<Entry> entries_;
  std::vector<std::string> others_;
  const Decoder* decoder_;
};

}  // namespace tessera
