// Tokens that are found in a text before it is split: control tokens and those that users added.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/text/aligned_text.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool single_word = false;  // only where no word goes on before or behind it
  bool left_strip = false;   // takes white space before it along
  bool right_strip = false;
  bool normalised = false;  // looked for behind the normaliser, else in front of it
  bool special = false;     // a control token
};

// A piece of text between added tokens, or one of them.
struct AddedMatch {
  ByteRange range;
  TokenId id = -1;  // -1: text
};

// Finds the leftmost and there the longest token. Immutable.
class AddedTokenMatcher {
 public:
  // Which tokens to look for; empty contents are never found.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens = {});
  // Appends the parts of text[part] in order. Special tokens stay text where `special` says no.
  void split(std::string_view text, ByteRange part, const std::function<bool(ByteRange)>& special,
             std::vector<AddedMatch>& out) const;
  bool empty() const { return tokens_.empty(); }
  const std::vector<AddedToken>& tokens() const { return tokens_; }

 private:
  static constexpr size_t kFewLeads = 4;

  const AddedToken* longest_at(std::string_view text) const;
  size_t next_lead(std::string_view text, size_t at) const;

  std::vector<AddedToken> tokens_;     // sorted by content
  std::string leads_;                  // the bytes that tokens begin with
  std::array<uint32_t, 257> first_{};  // tokens_[first_[b] .. first_[b + 1]) begin with byte b
};

}  // namespace tessera
