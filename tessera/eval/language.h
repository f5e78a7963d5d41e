// What a language's words are made of: a dictionary that accepts words, affixes with the place
// that they may stand in, roots. A language is a file; docs/languages.md says what it holds. Those
// that are built in are such files, too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tessera/eval/spelling.h"

namespace tessera {

// Where an affix may stand, as bits.
enum AffixPlace : uint8_t { kPrefix = 1, kSuffix = 2, kInfix = 4 };

class Language {
 public:
  // `ref`: a file, the name of a built-in language, or else the name of a dictionary alone ("hu").
  // `roots`: a file of roots, one a line, in place of the language's own; "": that one.
  static Language open(const std::string& ref, const std::string& roots = "");
  // `text` as a file named `where` would hold it; names in it are sought from the folder of it.
  static Language parse(std::string_view text, const std::string& where);

  const std::string& name() const { return name_; }
  // In composed form and lower case, as everything below wants words.
  std::string folded(std::string_view word) const;
  // A string's own pieces: roots, affixes, words, all folded.
  bool root(const std::string& word) const;
  bool affix(const std::string& piece, uint8_t places) const;
  // In the dictionary, as written or folded.
  bool word(std::string_view as_written, const std::string& folded_form) const;
  // Characters that may stand within a word although they are no letters, such as an apostrophe
  // in front of a suffix.
  bool joins(char32_t code) const { return joiners_.find(code) != std::u32string::npos; }

  size_t affixes() const { return affixes_.size(); }
  // All of them, sorted.
  std::vector<std::string> affix_list() const;
  size_t roots() const { return roots_.size(); }
  bool has_dictionary() const { return dictionary_.has_value(); }
  // Whether root() asks the dictionary, for want of a list.
  bool roots_by_stem() const { return roots_.empty() && dictionary_.has_value(); }
  // What the language lacks, a line each: measures that are off or weak for that.
  std::vector<std::string> lacks() const;

  // Roots from a file, one a line. Throws Error for none.
  void read_roots(const std::string& path);

 private:
  std::string name_;
  bool turkic_ = false;
  std::unordered_map<std::string, uint8_t> affixes_;  // with the places of each
  std::unordered_set<std::string> roots_;
  std::u32string joiners_;
  std::optional<SpellingDictionary> dictionary_;
};

struct BuiltInLanguage {
  std::string_view name;  // "tr"
  std::string_view text;  // its file
};
std::vector<BuiltInLanguage> built_in_languages();

// All strings that an affix's template stands for: a capital that names a class stands for each of
// its strings, "(..)" may be there or not. Throws Error, with `where`, for brackets that do not
// match and for more than 10,000 strings.
std::vector<std::string> expand_affix(
    std::string_view pattern, const std::unordered_map<char, std::vector<std::string>>& classes,
    const std::string& where);

}  // namespace tessera
