#include "tessera/decode/constraint.h"

namespace tessera {

Piece piece_of(const Vocabulary& vocabulary, TokenId id) {
  if (vocabulary.role(id) == TokenRole::control) return {{}, vocabulary.piece(id), id};
  return {vocabulary.bytes(id), {}, id};
}

bool Constraint::ended() const {
  if (!complete()) return false;
  auto next = next_bytes();
  return next && next->none();
}

}  // namespace tessera
