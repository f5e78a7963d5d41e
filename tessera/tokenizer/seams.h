// Places of a text whose two sides are encoded apart, proved from the two characters around them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_set>

#include "tessera/tokenizer/added_tokens.h"
#include "tessera/tokenizer/parts.h"

namespace tessera {

// What the parts of a tokenizer say together: between which characters no added token, no mapping
// of the normaliser, no word and no token can stand. Where a part does not say, there is no seam.
class Seams {
 public:
  // The parts must outlive this. `normaliser` and `pre_tokenizer` may be null.
  Seams(const AddedTokenMatcher& raw, const AddedTokenMatcher& normalised,
        const Normaliser* normaliser, const PreTokenizer* pre_tokenizer, const Model& model);

  // As Tokenizer::seam(). Threads: calls may run together. O(1); pairs of ASCII characters are
  // remembered.
  bool at(std::string_view text, size_t at) const;
  // Whether two printable ASCII characters have a seam between them.
  bool any() const;

 private:
  // What added tokens hold side by side, and how they reach over their own ends.
  struct AddedPairs {
    std::unordered_set<uint64_t> inside;
    std::unordered_set<char32_t> ends, starts;  // last characters; first ones that look back
    bool take_spaces = false;
    void add(const AddedTokenMatcher& tokens);
    bool may_join(char32_t left, char32_t right) const;
  };

  bool between(char32_t left, char32_t right) const;
  bool prove(char32_t left, char32_t right) const;

  const AddedTokenMatcher &raw_, &normalised_;
  const Normaliser* normaliser_;
  const PreTokenizer* pre_tokenizer_;
  const Model& model_;
  mutable std::once_flag once_;
  mutable AddedPairs raw_pairs_, normalised_pairs_;
  mutable std::array<std::atomic<uint8_t>, 128 * 128> ascii_{};  // 0: not known yet, 1: no, 2: yes
};

// The unit that ends at byte `end` of `text`, the bytes behind it left out of account. Needs
// 0 < end <= text.size().
Unit unit_before(std::string_view text, size_t end);
// The bytes of the last unit of a text that is not empty.
std::string_view last_character(std::string_view text);
// The last seam between two bytes of `text`, at most `reach` bytes before `end`; `begin`: there is
// none.
size_t last_seam(const Tokenizer& tokenizer, std::string_view text, size_t begin, size_t end,
                 size_t reach);

}  // namespace tessera
