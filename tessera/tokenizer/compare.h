// Two tokenizers side by side.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

struct CostlyWord {
  std::string word;
  int64_t times = 0;   // in the texts
  int64_t tokens = 0;  // of the word behind a space
};

struct ComparedSide {
  int64_t size = 0;           // tokens of the vocabulary
  int64_t tokens = 0;         // of the texts, templates left out
  int64_t shared_tokens = 0;  // of these: tokens whose bytes are a token of the other side, too
  bool round_trips = true;    // decode() of the ids gives every text
  std::optional<int64_t> first_lost;  // the first byte of all texts that does not come back
  std::string lost_text;              // what begins there
  std::vector<CostlyWord> costliest;  // by tokens beyond the first, over all their times
};

struct TokenizerComparison {
  bool same_vocabulary = false;  // every id stands for the same bytes, in the same role
  bool same_ids = true;          // of every text
  std::string first_difference;  // the first text with other ids, cut short
  int64_t shared = 0;            // byte strings that are a token of both
  int64_t texts = 0, bytes = 0;
  ComparedSide a, b;
};

class TokenizerComparer {
 public:
  TokenizerComparer(std::shared_ptr<const Tokenizer> a, std::shared_ptr<const Tokenizer> b);
  // One more text. Memory grows with the distinct words, up to a million.
  void add(std::string_view text);
  TokenizerComparison finish(size_t costliest = 10);

 private:
  std::vector<TokenId> add_to(const Tokenizer& tokenizer, std::string_view text,
                              ComparedSide& side) const;
  std::vector<CostlyWord> costliest(const Tokenizer& tokenizer, size_t most) const;

  std::shared_ptr<const Tokenizer> a_, b_;
  std::unordered_set<std::string_view> shared_;
  std::unordered_map<std::string, int64_t> words_;
  TokenizerComparison out_;
};

}  // namespace tessera
