// Two tokenizers side by side.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
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
  int64_t whole_words = 0;            // words of the texts that are one token behind a space
  // How evenly the texts use the vocabulary: the Renyi entropy of order 2.5 of the tokens, divided
  // by the logarithm of the vocabulary's size. Source: Zouhar et al. 2023, arXiv 2306.16842.
  double renyi_efficiency = 0;
  // Tokens of the texts by the number of their bytes; the last entry holds all longer ones.
  std::vector<int64_t> lengths;
};

// H / log(size) with H = log(sum of p^order) / (1 - order), over the shares p of the counts; 0
// where that is no number. Needs order > 0 other than 1.
double renyi_efficiency(std::span<const int64_t> counts, double order);

struct TokenizerComparison {
  bool same_vocabulary = false;  // every id stands for the same bytes, in the same role
  bool same_ids = true;          // of every text
  std::string first_difference;  // the first text with other ids, cut short
  int64_t shared = 0;            // byte strings that are a token of both
  int64_t texts = 0, bytes = 0, characters = 0;  // a byte that is no UTF-8 is a character
  int64_t words = 0;                             // between white space of ASCII, up to 100 bytes
  ComparedSide a, b;
};

class TokenizerComparer {
 public:
  TokenizerComparer(std::shared_ptr<const Tokenizer> a, std::shared_ptr<const Tokenizer> b);
  // One more text. Memory grows with the distinct words, up to a million.
  void add(std::string_view text);
  TokenizerComparison finish(size_t costliest = 10);

 private:
  std::vector<TokenId> add_to(const Tokenizer& tokenizer, std::string_view text, ComparedSide& side,
                              std::vector<int64_t>& counts) const;
  void finish_side(const Tokenizer& tokenizer, size_t most, std::span<const int64_t> counts,
                   ComparedSide& side) const;

  std::shared_ptr<const Tokenizer> a_, b_;
  std::unordered_set<std::string_view> shared_;
  std::unordered_map<std::string, int64_t> words_;
  std::vector<int64_t> counts_a_, counts_b_;  // of tokens, by id
  TokenizerComparison out_;
};

}  // namespace tessera
