#include "tessera/tokenizer/charsmap_writer.h"

#include <map>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/base/random.h"
#include "tessera/text/normalise.h"
#include "tessera/text/unicode_tables.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/charsmap.h"

namespace tessera {
namespace {

// Oracle: the strings, looked at one after another.
TEST(CharsmapWriter, WritesWhatTheReaderFinds) {
  Random random(1);
  for (int round = 0; round < 200; ++round) {
    std::map<std::string, std::string> strings;
    for (size_t i = 0, n = 1 + random.below(30); i < n; ++i) {
      std::string from(1 + random.below(4), ' '), to(random.below(3), ' ');
      for (char& c : from) c = "ab\xC3\xFF\x01"[random.below(5)];
      for (char& c : to) c = static_cast<char>('x' + random.below(2));
      strings[from] = to;
    }
    const Charsmap map(write_charsmap({strings.begin(), strings.end()}), "test");
    for (int t = 0; t < 100; ++t) {
      std::string text(random.below(7), ' ');
      for (char& c : text) c = "ab\xC3\xFF\x01"[random.below(5)];
      size_t longest = 0;
      for (const auto& [from, to] : strings) {
        if (text.starts_with(from)) longest = std::max(longest, from.size());
      }
      const Charsmap::Match found = map.longest(text);
      ASSERT_EQ(found.length, longest);
      if (longest == 0) continue;
      ASSERT_EQ(found.replacement, strings.at(text.substr(0, longest)));
    }
  }
}

TEST(CharsmapWriter, SharesEqualEnds) {
  std::vector<std::pair<std::string, std::string>> strings;
  for (char a = 'a'; a <= 'z'; ++a) {
    for (char b = 'a'; b <= 'z'; ++b) strings.push_back({{a, b, 'e', 'n', 'd'}, "x"});
  }
  EXPECT_LT(write_charsmap(strings).size(), 4U * 1024);
}

TEST(CharsmapWriter, RefusesWhatNoMapCanHold) {
  EXPECT_THROW(write_charsmap({}), Error);
  EXPECT_THROW(write_charsmap({{"", "x"}}), Error);
  EXPECT_THROW(write_charsmap({{std::string(300, 'a'), "x"}}), Error);
  EXPECT_THROW(write_charsmap({{std::string(1, '\0'), "x"}}), Error);
  EXPECT_THROW(sentence_piece_map("nfc"), Error);
}

std::string applied(const Charsmap& map, std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const Charsmap::Match match = map.longest(text.substr(i));
    const size_t length = match.length > 0 ? match.length : unit_at(text, i).length;
    out += match.length > 0 ? match.replacement : text.substr(i, length);
    i += length;
  }
  return out;
}

// Oracle: the normal form itself, of every character that has one, whole and taken apart.
TEST(SentencePieceMap, ComposesWhatTheNormalFormComposes) {
  const Charsmap map(sentence_piece_map("nfkc"), "test");
  std::vector<char32_t> codes;
  for (const auto& m : unicode::canonical_table()) codes.push_back(m.from);
  for (const auto& m : unicode::compatible_table()) codes.push_back(m.from);
  for (char32_t c = 0xAC00; c < 0xD7A4; c += 7) codes.push_back(c);
  for (char32_t code : codes) {
    std::string text;
    append_unit(text, code);
    const std::string wanted = normalise(text, NormalForm::nfkc);
    ASSERT_EQ(applied(map, text), wanted) << std::hex << static_cast<uint32_t>(code);
    ASSERT_EQ(applied(map, normalise(text, NormalForm::nfkd)), wanted)
        << std::hex << static_cast<uint32_t>(code);
  }
}

TEST(SentencePieceMap, MakesSpacesOfWhatNobodySees) {
  const Charsmap map(sentence_piece_map("nmt_nfkc"), "test");
  EXPECT_EQ(applied(map, "a\tb\xE2\x80\x8B\x01g"), "a b g");
  // The wide tilde stays, the wide letter does not.
  EXPECT_EQ(applied(map, "\xEF\xBD\x9E\xEF\xBC\xA1"),
            "\xEF\xBD\x9E"
            "A");
  // Full-width letters compose with marks, too.
  EXPECT_EQ(applied(map, "\xEF\xBC\xA1\xCC\x80"), "\xC3\x80");
  EXPECT_EQ(sentence_piece_map("identity"), "");
}

}  // namespace
}  // namespace tessera
