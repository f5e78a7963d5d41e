// The text without its alignment against the text with it.
#include "tessera/tokenizer/sentence_piece_normaliser.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

#include "tests/tokenizer/charsmap_bytes.h"

namespace tessera {
namespace {

std::string with_marks(std::string_view text) {
  std::string out;
  for (const char c : text) c == ' ' ? out.append("\xE2\x96\x81") : out.append(1, c);
  return out;
}

TEST(SentencePieceNormaliser, WritesTheSameTextWithAndWithoutAlignment) {
  constexpr std::string_view kParts[] = {" ",
                                         " ",
                                         "  ",
                                         "\t",
                                         "\n",
                                         "a",
                                         "b",
                                         "e",
                                         "e\xCC\x81",
                                         "ff",
                                         "f",
                                         "fi",
                                         "word",
                                         "Word",
                                         "\xE2\x96\x81",
                                         "\xEF\xBC\xA1",
                                         "\xE4\xB8\xAD",
                                         "\xFF",
                                         "\xE4\xB8",
                                         "<keep>",
                                         "~",
                                         "\x7F"};
  const std::string map = fixtures::charsmap_bytes({{"\t", " "},
                                                    {"\n", " "},
                                                    {"e\xCC\x81", "\xC3\xA9"},
                                                    {"ff", "F"},
                                                    {"~", ""},
                                                    {"\xEF\xBC\xA1", "A"}});
  for (unsigned seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    SentencePieceRules rules;
    if (seed % 2 == 0) rules.map.emplace(map, "map");
    rules.dummy_prefix = random() % 2 == 0;
    rules.remove_extra = random() % 2 == 0;
    rules.marks_are_spaces = random() % 2 == 0;
    rules.space_as_suffix = random() % 4 == 0;
    rules.replace_invalid = random() % 2 == 0;
    if (random() % 3 == 0) rules.kept = {"<keep>", "word"};
    const auto normaliser = sentence_piece_normaliser(rules);
    ASSERT_TRUE(normaliser->marks_spaces());
    for (int i = 0; i < 20; ++i) {
      std::string text, written;
      for (size_t n = random() % 12; n > 0; --n) text += kParts[random() % std::size(kParts)];
      normaliser->write_spaced(text, written);
      EXPECT_EQ(with_marks(written), normaliser->apply(AlignedText(text)).text()) << text;
    }
    rules.escape = false;
    EXPECT_FALSE(sentence_piece_normaliser(rules)->marks_spaces());
  }
}

}  // namespace
}  // namespace tessera
