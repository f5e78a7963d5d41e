// The scanner against the patterns themselves, which PCRE2 matches.
#include "tessera/tokenizer/word_scanner.h"

#include <algorithm>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "tessera/tokenizer/known_patterns.h"

namespace tessera {
namespace {

// What the patterns' branches tell apart.
constexpr std::string_view kParts[] = {" ",
                                       " ",
                                       "  ",
                                       "\n",
                                       "\r\n",
                                       "\t",
                                       "\xC2\xA0",
                                       "\xE3\x80\x80",
                                       "a",
                                       "b",
                                       "Z",
                                       "the",
                                       "HTTP",
                                       "'",
                                       "'s",
                                       "'S",
                                       "'t",
                                       "'re",
                                       "'LL",
                                       "'\xC5\xBF",
                                       "1",
                                       "23",
                                       "4567",
                                       "\xD9\xA3",
                                       "\xE2\x85\xA7",
                                       ".",
                                       ",",
                                       "/",
                                       "//",
                                       "(",
                                       "\xE2\x80\x94",
                                       "\xC3\xA9",
                                       "\xC3\x89",
                                       "\xD0\x9F",
                                       "\xD1\x80",
                                       "\xE4\xB8\xAD",
                                       "\xE6\x96\x87",
                                       "\xED\x95\x9C",
                                       "\xC7\x85",
                                       "\xCA\xB0",
                                       "\xF0\x9F\x98\x80",
                                       "\xFF",
                                       "\xC3",
                                       "\x80",
                                       std::string_view("\0", 1)};
constexpr std::string_view kMarks[] = {"\xCC\x81", "\xE0\xA5\x8D"};

std::string random_text(std::mt19937& rng, size_t parts, bool marks) {
  std::string out;
  for (size_t i = 0; i < parts; ++i) {
    const auto& part = kParts[rng() % std::size(kParts)];
    for (size_t n = rng() % 8 == 0 ? 1 + rng() % 90 : 1; n-- > 0;) out += part;
    if (marks && rng() % 9 == 0) out += kMarks[rng() % std::size(kMarks)];
  }
  return out;
}

std::vector<uint32_t> judged(const Pattern& pattern, std::string_view text) {
  std::vector<ByteRange> matches;
  pattern.find_all(text, {0, text.size()}, Reading::utf8, matches);
  std::vector<uint32_t> starts;
  for (const ByteRange& m : matches) starts.push_back(static_cast<uint32_t>(m.begin));
  return starts;
}

TEST(WordScanner, CutsAsThePatternDoes) {
  for (const KnownPattern& known : known_patterns()) {
    SCOPED_TRACE(known.pattern);
    const Pattern pattern(known.pattern, known.dialect);
    WordScanner scanner(known.rule);
    int stops = 0;
    for (unsigned seed = 0; seed < 700; ++seed) {
      std::mt19937 rng(seed);
      const size_t parts = seed % 50 == 0 ? 6000 : 1 + rng() % 60;
      const std::string text = random_text(rng, parts, seed % 2 == 0);
      std::vector<uint32_t> starts;
      scanner.begin(text);
      size_t end = 0;
      for (size_t now = 0; (now = scanner.next(starts)) > end;) end = now;
      if (scanner.stopped() == WordScanner::Stop::pattern) {
        ++stops;
        continue;
      }
      ASSERT_EQ(end, text.size()) << "seed " << seed;
      const std::vector<uint32_t> wanted = judged(pattern, text);
      const auto differs =
          std::mismatch(starts.begin(), starts.end(), wanted.begin(), wanted.end());
      if (starts == wanted) continue;
      const size_t first = std::min(differs.first == starts.end() ? text.size() : *differs.first,
                                    differs.second == wanted.end() ? text.size() : *differs.second);
      FAIL() << "seed " << seed << ", byte " << first << ": "
             << testing::PrintToString(text.substr(first < 20 ? 0 : first - 20, 40));
    }
    EXPECT_LT(stops, 150);
  }
}

TEST(WordScanner, StopsWhereFormCMightChangeSomething) {
  WordScanner scanner({.kind = WordRule::Kind::cl100k, .digits = 3});
  for (const std::string_view loose : {"e\xCC\x81", "\xE2\x84\xAB", "\xE1\x84\x92\xE1\x85\xA1"}) {
    std::vector<uint32_t> starts;
    scanner.begin(loose, true);
    EXPECT_EQ(scanner.next(starts), 0U);
    EXPECT_EQ(scanner.stopped(), WordScanner::Stop::form);
    scanner.begin(loose);
    EXPECT_EQ(scanner.next(starts), loose.size());
  }
  std::vector<uint32_t> starts;
  scanner.begin("\xC3\xA9 \xED\x95\x9C \xD0\xB9 \xE4\xB8\xAD", true);
  EXPECT_EQ(scanner.next(starts), 13U);
}

TEST(WordScanner, KnowsNoOtherPattern) {
  EXPECT_FALSE(word_rule(R"(\w+|\s+)"));
  EXPECT_FALSE(word_rule(""));
}

}  // namespace
}  // namespace tessera
