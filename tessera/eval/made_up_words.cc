#include "tessera/eval/made_up_words.h"

#include <string_view>
#include <unordered_set>

#include "tessera/base/error.h"

namespace tessera {

std::vector<std::string> made_up_words(Random& random, int64_t count) {
  constexpr std::string_view kConsonants = "bdfgklmnprstvz", kVowels = "aeiou";
  if (count > 100'000) {
    throw Error("words", "there are 100000, not " + std::to_string(count), "Ask for fewer.");
  }
  std::vector<std::string> out;
  std::unordered_set<std::string> seen;
  while (static_cast<int64_t>(out.size()) < count) {
    std::string word;
    for (int i = 0; i < 3; ++i) {
      word += kConsonants[random.below(kConsonants.size())];
      word += kVowels[random.below(kVowels.size())];
    }
    if (seen.insert(word).second) out.push_back(std::move(word));
  }
  return out;
}

}  // namespace tessera
