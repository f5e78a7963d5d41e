// Simple models of a text, and their loss in nats a character: what a tokenizer makes easy.
// Sources: Rajaraman et al. 2024, arXiv 2404.08335; interpolation: Witten and Bell 1991, doi
// 10.1109/18.87000.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// The characters of a text, whatever came before, by up to `order` - 1 characters in front.
class CharacterModel {
 public:
  explicit CharacterModel(size_t order);  // 1 to 8
  void learn(std::string_view text);
  // In nats, of the whole text; each context's counts are mixed with those of the shorter one by
  // Witten and Bell's weights, down to an equal chance of all characters seen and one that is not.
  double loss(std::string_view text) const;
  // Contexts with counts, of all lengths.
  size_t contexts() const { return contexts_.size(); }

 private:
  struct Context {
    int64_t total = 0;
    std::unordered_map<char32_t, int64_t> next = {};
  };
  size_t order_;
  std::unordered_map<std::string, Context> contexts_;
};

// What single tokens, each with a chance of its own, make of a text.
struct TokenLoss {
  double unigram = 0, bigram = 0;  // nats a character; bigram: Witten and Bell's, over tokens
  double characters_per_token = 0;
  int64_t entries = 0, tokens = 0;  // of the dictionary; of the text
  double unused = 0;                // share of the entries that the text does not use
  // The largest chance of a token that no longer one begins with, times the entries: bounded where
  // every token is about as frequent as a dictionary of that size lets it be.
  double heaviest = 0;
};

// Counts tokens over `training`, adds 1/2 to each, and measures on `test`. Entries are tokens whose
// bytes are all found in the training texts. Texts are encoded one by one, without templates.
TokenLoss token_loss(const Tokenizer& tokenizer, const std::vector<std::string>& training,
                     const std::vector<std::string>& test);

}  // namespace tessera
