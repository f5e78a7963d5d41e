// Invariants: the sentences are the document. Oracle of the rules: cuts written by hand.
#include "tessera/use/sentences.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/base/random.h"

namespace tessera {
namespace {

std::vector<std::string> cut(std::string_view text) {
  std::vector<std::string> out;
  SentenceCutter cutter(text);
  size_t at = 0;
  for (SentenceCutter::Sentence s; cutter.next(s); at = s.end) {
    EXPECT_EQ(s.begin, at);
    EXPECT_GT(s.end, s.begin);
    EXPECT_LE(s.end - s.begin, 2000u);
    out.emplace_back(text.substr(s.begin, s.end - s.begin));
  }
  EXPECT_EQ(at, text.size());
  return out;
}

using Cuts = std::vector<std::string>;

TEST(Sentences, EndAtMarksBeforeWhiteSpaceAndAtBlankLines) {
  EXPECT_EQ(cut("One two. Three four! Is it five?"),
            (Cuts{"One two.", " Three four!", " Is it five?"}));
  EXPECT_EQ(cut("It costs 3.50 at example.org today. Or so they say."),
            (Cuts{"It costs 3.50 at example.org today.", " Or so they say."}));
  EXPECT_EQ(cut("He said \"no.\" Then he went home."),
            (Cuts{"He said \"no.\"", " Then he went home."}));
  EXPECT_EQ(cut("A heading\n\nThe text below it."), (Cuts{"A heading", "\n\nThe text below it."}));
  EXPECT_EQ(cut("A heading\r\n \r\nThe text below it."),
            (Cuts{"A heading\r", "\n \r\nThe text below it."}));
  EXPECT_EQ(cut("Wait... what is this?! Nothing at all."),
            (Cuts{"Wait...", " what is this?!", " Nothing at all."}));
}

TEST(Sentences, FullWidthMarksNeedNoWhiteSpace) {
  EXPECT_EQ(cut("这是第一句。这是第二句！真的？！好"),
            (Cuts{"这是第一句。", "这是第二句！", "真的？！", "好"}));
  EXPECT_EQ(cut("「はい。」と言った。"), (Cuts{"「はい。」", "と言った。"}));
}

TEST(Sentences, InitialsAndWhiteSpaceStayWithWhatStandsBeforeThem) {
  EXPECT_EQ(cut("By J. R. R. Smith and another author. Good."),
            (Cuts{"By J. R. R.", " Smith and another author. Good."}));
  EXPECT_EQ(cut("The end of it.   \n\n  "), (Cuts{"The end of it.   \n\n  "}));
  EXPECT_EQ(cut(""), Cuts{});
  EXPECT_EQ(cut(" \n "), Cuts{" \n "});
}

TEST(Sentences, WithoutMarksLinesAreCutThenSpacesThenCharacters) {
  std::string lines, words, letters;
  for (int i = 0; i < 300; ++i) {
    lines += "key = value; another = thing\n";
    words += "word ";
    letters += "文字";
  }
  for (int i = 0; i < 300; ++i) words += "word ";
  for (const std::string& piece : cut(lines)) EXPECT_EQ(piece.back(), '\n');
  const Cuts by_space = cut(words);
  EXPECT_GT(by_space.size(), 1u);
  for (size_t i = 1; i < by_space.size(); ++i) EXPECT_EQ(by_space[i][0], ' ');
  for (const std::string& piece : cut(letters + letters)) EXPECT_EQ(piece.size() % 3, 0u);
}

TEST(Sentences, AnyBytesComeBack) {
  const std::string alphabet =
      "ab .!?\n\r\t\"\xe3\x80\x82\xff\xc3\0"
      "x";
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    std::string text;
    const uint64_t n = random.below(seed % 10 == 0 ? 6000 : 60);
    for (uint64_t i = 0; i < n; ++i) text += alphabet[random.below(alphabet.size())];
    std::string back;
    for (const std::string& piece : cut(text)) back += piece;
    EXPECT_EQ(back, text);
  }
}

TEST(Sentences, ACutIsInsideThePiece) {
  EXPECT_EQ(cut_before("ab\ncd ef", 7), 3u);
  EXPECT_EQ(cut_before("abcd ef", 6), 4u);
  EXPECT_EQ(cut_before("文字", 4), 3u);
  EXPECT_EQ(cut_before("x", 1), 1u);
}

}  // namespace
}  // namespace tessera
