// What a generated text must obey. A constraint speaks of bytes and of named control tokens (or of
// ids, when it must tell tokens with equal bytes apart); it knows nothing of models or strategies.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// One token as a constraint sees it. A control token has a name and no bytes; any other token has
// bytes and no name. `id` is -1 when bytes are asked about that are no token.
struct Piece {
  std::string_view bytes = {};
  std::string_view control = {};
  TokenId id = -1;
};

// The piece that token `id` is. Needs 0 <= id < vocabulary.size(). Lives as long as the vocabulary.
Piece piece_of(const Vocabulary& vocabulary, TokenId id);

// A place within the texts that are allowed: begins at the empty text and moves with accept().
// Copies are independent. Not thread-safe; different copies are.
class Constraint {
 public:
  virtual ~Constraint() = default;
  virtual std::unique_ptr<Constraint> clone() const = 0;
  // True when every text is allowed, whatever was accepted: nobody needs to ask.
  virtual bool everything() const { return false; }
  // Whether some allowed text begins with what was accepted, followed by `piece`.
  virtual bool possible(const Piece& piece) const = 0;
  // Whether what was accepted is an allowed text: the model may stop here.
  virtual bool complete() const = 0;
  // The bytes that may follow, when that is cheap to say; used to skip tokens by their first byte.
  virtual std::optional<std::bitset<256>> next_bytes() const { return std::nullopt; }
  // Whether the text is complete and nothing may follow: generation ends without a stop token.
  virtual bool ended() const;
  // Moves on. Needs possible(piece).
  virtual void accept(const Piece& piece) = 0;
  // Pieces accepted so far, and going back to fewer of them. Needs 0 <= length <= length().
  virtual int64_t length() const = 0;
  virtual void rollback(int64_t length) = 0;
};

}  // namespace tessera
