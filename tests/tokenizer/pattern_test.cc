#include "tessera/tokenizer/pattern.h"

#include <random>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/text/unicode.h"
#include "tests/tokenizer/fixtures.h"

namespace tessera {
namespace {

std::vector<std::string> matches(const Pattern& pattern, std::string_view text) {
  std::vector<ByteRange> found;
  pattern.find_all(text, {0, text.size()}, Reading::utf8, found);
  std::vector<std::string> out;
  for (ByteRange r : found) out.emplace_back(text.substr(r.begin, r.size()));
  return out;
}
using Strings = std::vector<std::string>;

TEST(Pattern, FollowsTheDialectOfTokenizerFiles) {
  EXPECT_EQ(matches(Pattern(R"(\p{N}{1,3})"), "12345"), (Strings{"123", "45"}));
  // Braces with a plus behind them repeat twice; they do not become possessive.
  EXPECT_EQ(matches(Pattern(R"(\d{1,2}+)"), "12345"), (Strings{"12345"}));
  EXPECT_EQ(matches(Pattern(R"(a++b)"), "aab"), (Strings{"aab"}));
  EXPECT_EQ(matches(Pattern(R"(a++ab)"), "aab"), Strings{});
  EXPECT_EQ(matches(Pattern(R"((?i:'s))"), "'S'\xC5\xBF's"), (Strings{"'S", "'\xC5\xBF", "'s"}));
  EXPECT_EQ(matches(Pattern(R"(\s+(?!\S))"), "a   b"), (Strings{"  "}));
  EXPECT_EQ(matches(Pattern(R"([^\s\p{L}]+)"), "ab,\xE2\x82\xAC 1"),
            (Strings{",\xE2\x82\xAC", "1"}));
  EXPECT_EQ(matches(Pattern(R"(.)"), "a\n\xC3\xA9"), (Strings{"a", "\xC3\xA9"}));
  EXPECT_EQ(matches(Pattern(R"(^b$)"), "a\nb\nc"), (Strings{"b"}));
  EXPECT_EQ(matches(Pattern(R"(\bab\b)"), "ab cab ab"), (Strings{"ab", "ab"}));
  EXPECT_EQ(matches(Pattern(R"([\u4e00-\u9fa5]+|x{2})"), "\xE6\x97\xA5xxx"),
            (Strings{"\xE6\x97\xA5", "xx"}));
  EXPECT_EQ(matches(Pattern::literal(".*"), "a.*b.*"), (Strings{".*", ".*"}));
}

TEST(Pattern, EveryInvalidByteIsAUnitInNoClass) {
  EXPECT_EQ(matches(Pattern(R"(\p{L}+)"),
                    "ab\xFF"
                    "cd\xE6\x97"),
            (Strings{"ab", "cd"}));
  EXPECT_EQ(matches(Pattern(R"([^\s\p{L}\p{N}])"), "\xFF\xE6\x97"),
            (Strings{"\xFF", "\xE6", "\x97"}));
}

TEST(Pattern, NamesWhatItDoesNotSupport) {
  for (const char* bad :
       {"(?<n>x)", "\\1", "[[:alpha:]]", "[a&&b]", "\\p{Greek}", "\\p{word}", "(", ")", "*", "[",
        "a{1000}", "\\X", "(?i:ss)", "(?i:\xC3\xA9)", "[z-a]", "\\p", "\\x{110000}", "\\"}) {
    EXPECT_THROW(Pattern{bad}, Error) << bad;
  }
  std::string deep(1000, '(');
  EXPECT_THROW(Pattern(deep + std::string(1000, ')')), Error);
}

// Oracle: one unit at a time, by the sets themselves.
TEST(Pattern, ClassRunsAgreeWithTheSets) {
  const Pattern letters(R"(\p{L}+)");
  const CodeSet set = *find_code_set("L");
  for (unsigned seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string text = fixtures::random_text(random, false), run;
    Strings expected;
    for (size_t i = 0; i < text.size();) {
      Unit u = unit_at(text, i);
      if (set.contains(u.code)) {
        run += text.substr(i, u.length);
      } else if (!run.empty()) {
        expected.push_back(std::exchange(run, ""));
      }
      i += u.length;
    }
    if (!run.empty()) expected.push_back(run);
    EXPECT_EQ(matches(letters, text), expected);
  }
}

}  // namespace
}  // namespace tessera
