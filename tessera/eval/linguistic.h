// How many of a tokenizer's tokens are words, roots or affixes of a language, beside what random
// cuts of the same lengths give. Source: Bayram et al. 2025, arXiv 2502.07057;
// docs/repro/linguistic-integrity.md.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tessera/base/random.h"
#include "tessera/eval/language.h"
#include "tessera/tokenizer/boundaries.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// What a token's string is, white space at its ends left out.
enum class UnitClass : uint8_t { word, number, punctuation, space, special, fragment, mixed };
inline constexpr size_t kUnitClasses = 7;
// "word-like", "number", ..: for people.
std::string_view name_of(UnitClass unit);
// Letters and marks, one number's digits, signs alone, nothing, bytes that are no text by
// themselves, or several of these.
UnitClass class_of(std::string_view trimmed);

// Counts of strings or of tokens.
struct ValidCounts {
  int64_t all = 0, valid = 0, pure = 0;
  void add(int64_t times, bool is_valid, bool is_pure);
};

// Of all tokens, and of those made of letters alone.
struct ScopedCounts {
  ValidCounts all, words;
};

struct LinguisticResult {
  // Types are distinct strings (with the place in the word where that counts), occurrences tokens.
  ScopedCounts types, occurrences;
  // The same of a null tokenizer, which cuts each word at random into lengths drawn from those of
  // the tokenizer's own tokens.
  ScopedCounts null_types, null_occurrences;
  std::array<int64_t, kUnitClasses> classes = {};  // tokens by class
  int64_t words = 0, known_words = 0;              // runs of letters in the texts; accepted ones
  int64_t gold_words = 0;
  BoundaryCounts boundaries, null_boundaries;  // against gold cuts
};

struct LinguisticOptions {
  // An affix counts only within a word (a prefix in front), words and roots only at its beginning.
  bool strict = true;
  uint64_t seed = 1;  // of the null tokenizer
};

class LinguisticMeter {
 public:
  // The language must live as long as this. Not for several threads at once.
  LinguisticMeter(std::shared_ptr<const Tokenizer> tokenizer, const Language& language,
                  LinguisticOptions options = {});
  // One more text. Memory grows with distinct tokens and distinct words, up to a million of these.
  void add(std::string_view text);
  // Words with their right cuts, as read_gold() gives them; each is encoded behind a space.
  struct GoldWord {
    std::string word;
    std::vector<int64_t> cuts;  // bytes, ascending, inside of the word
  };
  void add_gold(const std::vector<GoldWord>& words);
  LinguisticResult finish() const;

 private:
  struct Verdict {
    bool valid = false, pure = false;
  };
  Verdict judge(const std::string& trimmed, bool starts, bool ends) const;
  std::vector<int64_t> random_cuts(std::string_view word, Random& random) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  const Language& language_;
  LinguisticOptions options_;
  struct Seen {
    UnitClass unit = UnitClass::word;
    Verdict verdict = {};
    int64_t times = 0;
  };
  // By string, behind one character for its place in the word.
  std::unordered_map<std::string, Seen> seen_;
  std::unordered_map<std::string, int64_t> words_;
  std::vector<double> lengths_;  // of word-like tokens, by characters
  std::vector<GoldWord> gold_;
  mutable std::unordered_map<std::string, Verdict> judged_;
};

// Lines "ev ler im": the pieces of a word, in order. Throws Error naming the line that is none.
std::vector<LinguisticMeter::GoldWord> read_gold(const std::string& path);

}  // namespace tessera
