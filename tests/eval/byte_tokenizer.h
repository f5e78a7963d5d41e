// Bytes as tokens of the tiny model's vocabulary of 96.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/tokenizer/tokenizer.h"

namespace tessera::test {

// Every byte is a token.
class ByteVocabulary final : public Vocabulary {
 public:
  int64_t size() const override { return 96; }
  std::string_view bytes(TokenId) const override { return "x"; }
  std::string_view piece(TokenId) const override { return "x"; }
  TokenRole role(TokenId) const override { return TokenRole::normal; }
  bool starts_word(TokenId) const override { return false; }
  std::optional<TokenId> find(std::string_view) const override { return {}; }
};
class ByteTokenizer final : public Tokenizer {
 public:
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  Encoding encode(std::string_view text, const EncodeOptions&) const override {
    Encoding e;
    for (const char c : text) e.ids.push_back(static_cast<unsigned char>(c) % 96);
    return e;
  }
  std::vector<TokenId> encode_piece(std::string_view) const override { return {}; }
  std::string decode(std::span<const TokenId>, bool) const override { return ""; }
  std::optional<TokenId> bos() const override { return 1; }
  std::optional<TokenId> eos() const override { return {}; }
  bool adds_bos() const override { return true; }
  std::string summary() const override { return "bytes"; }

 private:
  ByteVocabulary vocabulary_;
};

}  // namespace tessera::test
