// Whether a word is one of a language, by the dictionaries of hunspell.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

class SpellingDictionary {
 public:
  // Reads STEM.aff and STEM.dic after check_dictionary(). Throws Error.
  explicit SpellingDictionary(const std::string& stem);
  SpellingDictionary(SpellingDictionary&&) noexcept;
  SpellingDictionary& operator=(SpellingDictionary&&) noexcept;
  ~SpellingDictionary();

  // Whether the word (UTF-8, any bytes) is accepted in the case that it is written in. Words that
  // the dictionary's encoding cannot write, and those above 100 bytes, are not. Not for several
  // threads at once.
  bool accepts(std::string_view word) const;
  // What the word may be an inflection of, itself where it is an entry; empty when not accepted.
  std::vector<std::string> stems(std::string_view word) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// The path without ending of the dictionary of that name ("tr_TR"), in the folders of DICPATH and
// in those of the system; also NAME itself where it is a path, and where a language alone is named
// ("hu") the first of its dictionaries by name. Throws Error that lists those that are installed.
std::string find_dictionary(const std::string& name);

// Throws Error, naming file and line, for what hunspell would misread in silence: encodings and
// kinds of flags that are none, flags not of their kind, affix classes shorter than they say,
// conditions with open brackets, aliases that are not there, words that are not counted.
void check_dictionary(const std::string& aff, const std::string& dic);

}  // namespace tessera
