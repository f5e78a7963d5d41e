// The vocabulary that readers of files fill.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/tokenizer/piece_table.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

class VocabularyTable : public Vocabulary {
 public:
  // Ids 0 .. size - 1, all unused at first.
  explicit VocabularyTable(int64_t size) : tokens_(static_cast<size_t>(size)) {
    ids_.reserve(tokens_.size(), 8 * tokens_.size());
  }

  // Gives false, and changes nothing, when the id or the piece has been set already.
  bool set(TokenId id, std::string_view piece, TokenRole role);
  void set_role(TokenId id, TokenRole role) { tokens_[static_cast<size_t>(id)].role = role; }
  // What the token adds to a text, if not the piece itself.
  void set_bytes(TokenId id, std::string_view bytes, bool starts_word);

  int64_t size() const override { return static_cast<int64_t>(tokens_.size()); }
  std::string_view bytes(TokenId id) const override { return view(at(id).bytes); }
  std::string_view piece(TokenId id) const override { return view(at(id).piece); }
  TokenRole role(TokenId id) const override { return at(id).role; }
  bool starts_word(TokenId id) const override { return at(id).starts_word; }
  std::optional<TokenId> find(std::string_view piece) const override;
  // The ids of many pieces, -1 where there is none.   ids [pieces]
  void find_all(std::span<const std::string_view> pieces, TokenId* ids) const {
    ids_.find_all(pieces, ids);
  }

 private:
  struct Part {
    uint64_t offset = 0;
    uint32_t length = 0;
  };
  struct Token {
    Part piece, bytes;
    TokenRole role = TokenRole::unused;
    bool starts_word = false, known = false;
  };
  const Token& at(TokenId id) const { return tokens_[static_cast<size_t>(id)]; }
  std::string_view view(Part p) const { return std::string_view(text_).substr(p.offset, p.length); }

  std::string text_;
  std::vector<Token> tokens_;
  PieceTable ids_;
};

}  // namespace tessera
