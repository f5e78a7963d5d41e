#include "tessera/tokenizer/vocabulary_table.h"

namespace tessera {

bool VocabularyTable::set(TokenId id, std::string_view piece, TokenRole role) {
  Token& token = tokens_[static_cast<size_t>(id)];
  if (token.known || !ids_.insert(piece, id)) return false;
  token.piece = {text_.size(), static_cast<uint32_t>(piece.size())};
  token.bytes = token.piece;
  token.role = role;
  token.known = true;
  text_.append(piece);
  return true;
}

void VocabularyTable::set_bytes(TokenId id, std::string_view bytes, bool starts_word) {
  Token& token = tokens_[static_cast<size_t>(id)];
  token.starts_word = starts_word;
  if (bytes == view(token.piece)) return;
  token.bytes = {text_.size(), static_cast<uint32_t>(bytes.size())};
  text_.append(bytes);
}

std::optional<TokenId> VocabularyTable::find(std::string_view piece) const {
  TokenId id = ids_.find(piece);
  return id < 0 ? std::nullopt : std::optional(id);
}

}  // namespace tessera
