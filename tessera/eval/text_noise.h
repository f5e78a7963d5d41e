// Texts as scanners and hasty fingers spoil them, and how much of a tokenizer's cuts survives.
// Source: the uses of character-level vocabularies in Bommarito et al. 2025, arXiv 2503.17247.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/base/random.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// Chances a character.
struct NoiseRates {
  double look_alike = 0.02;   // one that looks like it: c/e, 0/o, rn/m, ..
  double space_in = 0.003;    // a space is put into a word
  double space_lost = 0.002;  // of a space
  double swapped = 0.002;     // with the letter behind it
  double keyboard = 0.002;    // a letter's neighbour on an English keyboard
};

struct NoisyText {
  std::string text;
  int64_t edits = 0;  // changes made; one of several characters counts once
  // By byte of the clean text, its end included: where that place is in `text`; -1: within what was
  // changed.
  std::vector<int64_t> places = {};
};

NoisyText with_noise(std::string_view text, const NoiseRates& rates, Random& random);

// Insertions, deletions and replacements between two sequences at least. O(a.size() * b.size()).
int64_t edits_between(std::span<const TokenId> a, std::span<const TokenId> b);

// Sums over texts, each spoilt at the usual rates.
struct NoiseStability {
  int64_t character_edits = 0, token_edits = 0, clean_tokens = 0, noisy_tokens = 0;
  int64_t cuts = 0, kept_cuts = 0;  // between clean tokens; of these those that noise leaves
  // One more text; the n-th text of any instance is spoilt the same way.
  void add(const Tokenizer& tokenizer, std::string_view text);
  // Token edits a character edit, and the share of tokens that noise adds; 0 before any.
  double rate() const;
  double growth() const;
  // The share of cuts between clean tokens, at places that noise leaves, that are cuts still.
  double kept() const;

 private:
  Random random_{1};
};

}  // namespace tessera
