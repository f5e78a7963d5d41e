// Oracles: a lexicon worked out by hand; the same rule over a plain list; greedy and fewest tokens.
#include "tessera/tokenizer/train/look_ahead.h"

#include <set>
#include <tuple>

#include <gtest/gtest.h>

#include "tessera/base/random.h"
#include "tessera/tokenizer/train/fewest_dictionary.h"

namespace tessera {
namespace {

using Lexicon = std::vector<std::string>;

// The longest token at a place that is shorter than `below`; its ordinal, or -1.
int64_t longest(const Lexicon& lexicon, const std::string& text, size_t at, size_t below) {
  int64_t out = -1;
  size_t length = 0;
  for (size_t i = 0; i < lexicon.size(); ++i) {
    const std::string& token = lexicon[i];
    if (token.size() <= length || token.size() >= below) continue;
    if (text.compare(at, token.size(), token) != 0) continue;
    out = static_cast<int64_t>(i);
    length = token.size();
  }
  return out;
}

std::vector<int64_t> greedy(const Lexicon& lexicon, const std::string& text, size_t at) {
  std::vector<int64_t> out;
  while (at < text.size()) {
    out.push_back(longest(lexicon, text, at, std::string::npos));
    at += out.back() < 0 ? 1 : lexicon[static_cast<size_t>(out.back())].size();
  }
  return out;
}

// Where two greedy ways have met they go on together, so that whole ways compare as their parts do.
std::vector<int64_t> plain(const Lexicon& lexicon, const std::string& text) {
  const auto cost = [&](int64_t first, size_t at) {
    std::vector<int64_t> way =
        greedy(lexicon, text, at + lexicon[static_cast<size_t>(first)].size());
    way.push_back(first);
    int64_t unknown = 0, ordinals = 0;
    for (const int64_t t : way) t < 0 ? unknown += 1 : ordinals += t;
    return std::tuple(unknown, static_cast<int64_t>(way.size()) - unknown, ordinals);
  };
  std::vector<int64_t> out;
  for (size_t at = 0; at < text.size();) {
    int64_t token = longest(lexicon, text, at, std::string::npos);
    if (token >= 0) {
      const size_t length = lexicon[static_cast<size_t>(token)].size();
      const int64_t second = longest(lexicon, text, at, length);
      if (second >= 0 && cost(token, at) > cost(second, at)) token = second;
    }
    out.push_back(token);
    at += token < 0 ? 1 : lexicon[static_cast<size_t>(token)].size();
  }
  return out;
}

TEST(LookAhead, JudgesAHandMadeLexicon) {
  // abc|d and ab|cd have two tokens each: the sums of places decide, 5 + 3 and 4 + 6.
  EXPECT_EQ(LookAhead(Lexicon{"a", "b", "c", "d", "ab", "abc", "cd", "bcd"}).cut("abcd"),
            (std::vector<int64_t>{5, 3}));
  EXPECT_EQ(LookAhead(Lexicon{"a", "b", "c", "ab", "abc", "cd", "bcd", "d"}).cut("abcd"),
            (std::vector<int64_t>{3, 5}));
  EXPECT_EQ(LookAhead(Lexicon{"a"}).cut("ax\xC3\xA9"), (std::vector<int64_t>{0, -1, -1}));
  EXPECT_TRUE(LookAhead(Lexicon{"a"}).cut("").empty());
}

TEST(LookAhead, IsThePlainRuleAndStandsBetweenGreedyAndFewest) {
  Random random(4);
  size_t of_greedy = 0, of_ours = 0, of_fewest = 0;
  for (int round = 0; round < 400; ++round) {
    Lexicon lexicon = {"a", "b", "c"};
    std::set<std::string> known(lexicon.begin(), lexicon.end());
    if (round % 4 == 0) lexicon = {"a", "b"}, known = {"a", "b"};
    while (lexicon.size() < 25) {
      std::string unit(2 + random.below(4), ' ');
      for (char& c : unit) c = static_cast<char>('a' + random.below(3));
      if (known.insert(unit).second) lexicon.push_back(unit);
    }
    std::string text(random.below(40), ' ');
    for (char& c : text) c = static_cast<char>('a' + random.below(3));
    const auto cut = LookAhead(lexicon).cut(text);
    ASSERT_EQ(cut, plain(lexicon, text)) << text;
    if (round % 4 == 0) continue;
    of_greedy += greedy(lexicon, text, 0).size();
    of_ours += cut.size();
    of_fewest += FewestTokens(lexicon).cut(text).size();
  }
  EXPECT_LT(of_ours, of_greedy);
  EXPECT_LE(of_fewest, of_ours);
}

}  // namespace
}  // namespace tessera
