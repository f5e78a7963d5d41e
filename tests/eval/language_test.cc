// The dictionaries of hunspell, and languages as files. Oracles: words and templates by hand.
#include "tessera/eval/language.h"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/base/random.h"
#include "tests/base/refusal.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using test::expect_says;
using test::refusal;

const std::string kAff =
    "SET UTF-8\nFLAG num\nSFX 1 Y 2\nSFX 1 0 lar [aıou].\nSFX 1 0 ler [eiöü].\nPFX 7 Y 1\n"
    "PFX 7 0 ön .\n";
const std::string kDic = "3\nev/1\nkitap/7\nçay\n";

std::string dictionary(const test::TemporaryFolder& folder, const std::string& aff,
                       const std::string& dic) {
  folder.write("d.aff", aff);
  folder.write("d.dic", dic);
  return folder / "d";
}

TEST(Spelling, AcceptsEntriesAndTheirInflections) {
  test::TemporaryFolder folder;
  const SpellingDictionary d(dictionary(folder, kAff, kDic));
  for (const char* word : {"ev", "evler", "kitap", "önkitap", "çay"}) EXPECT_TRUE(d.accepts(word));
  for (const char* word : {"evlar", "kitaplar", "cay", "", "\xFF"}) EXPECT_FALSE(d.accepts(word));
  EXPECT_FALSE(d.accepts(std::string(1000, 'e')));
  EXPECT_EQ(d.stems("evler"), std::vector<std::string>{"ev"});
  EXPECT_TRUE(d.stems("evlar").empty());
}

TEST(Spelling, EncodingsOtherThanUtf8AreConverted) {
  test::TemporaryFolder folder;
  const SpellingDictionary d(dictionary(folder, "SET ISO8859-9\n",
                                        "2\n\xE7"
                                        "ay\nev\n"));
  EXPECT_TRUE(d.accepts("çay"));
  EXPECT_FALSE(
      d.accepts("\xE7"
                "ay"));
  EXPECT_FALSE(d.accepts("чай"));
}

TEST(Spelling, BrokenFilesAreRefusedWithTheirLine) {
  test::TemporaryFolder folder;
  const struct {
    std::string aff, dic, says;
  } cases[] = {
      {"", kDic, "d.aff: is empty"},
      {"SET NO-SUCH\n", kDic, "d.aff: line 1: names the encoding NO-SUCH"},
      {"FLAG words\n", kDic, "d.aff: line 1: names the kind of flags"},
      {"FLAG num\nSFX 1 Y 2\nSFX 1 0 lar .\nTRY a\n", kDic, "line 4: follows a class SFX 1"},
      {"FLAG num\nSFX 1 Y 2\nSFX 1 0 lar .\n", kDic, "lacks 1 of its lines"},
      {"FLAG num\nSFX x Y 1\nSFX x 0 lar .\n", kDic, "line 2: has the flag \"x\""},
      {"FLAG num\nSFX 70000 Y 1\nSFX 70000 0 lar .\n", kDic, "has the flag \"70000\""},
      {"SFX 1 Y 1\nSFX 1 0 lar [ab\n", kDic, "condition [ab, whose brackets"},
      {"SFX 1 Y 99999999\n", kDic, "says neither Y nor N and a number"},
      {"SFX 1\n", kDic, "fewer than four fields"},
      {"AF 1\nAF 1\nAF 2\n", kDic, "is one AF more than the 1 that were said"},
      {"REP 2000000000\nREP a b\n", kDic, "d.aff: line 1: is the first REP and says no number"},
      {"TRY a\nMAP 3\nMAP ab\n", kDic, "line 2: begins a table of 3 lines; 2 of them are missing"},
      {"FLAG num\n", "1\nev/1,x\n", "d.dic: line 2: has the flags \"1,x\""},
      {"FLAG long\n", "1\nev/abc\n", "has the flags \"abc\""},
      {"AF 1\nAF ab\n", "1\nev/2\n", "names the set of flags 2; there are 1"},
      {kAff, "", "d.dic: is empty"},
      {kAff, "ev\n", "d.dic: line 1: says no number of words"},
      {kAff, "5\n", "holds no word"},
      {kAff, "900000\nev\n", "says that it has 900000 words and has 1"},
      {kAff, std::string("1\ne\0v\n", 6), "line 2: holds a byte 0"},
  };
  for (const auto& c : cases) {
    const std::string said = refusal([&] { SpellingDictionary(dictionary(folder, c.aff, c.dic)); });
    expect_says(said, c.says);
    EXPECT_EQ(said.find('\n'), std::string::npos);
  }
}

TEST(Spelling, DamagedFilesAreRefusedOrServeButNeverCrash) {
  test::TemporaryFolder folder;
  Random random(3);
  for (int round = 0; round < 80; ++round) {
    std::string files[2] = {kAff, kDic};
    for (int edit = 0; edit < 3; ++edit) {
      std::string& f = files[random.below(2)];
      const size_t at = random.below(f.size());
      switch (random.below(3)) {
        case 0:
          f[at] = static_cast<char>(random.below(256));
          break;
        case 1:
          f.erase(at, 1 + random.below(8));
          break;
        default:
          f.insert(at, f.substr(random.below(f.size()), 6));
      }
    }
    try {
      const SpellingDictionary d(dictionary(folder, files[0], files[1]));
      d.accepts("evler");
      d.stems("kitap");
    } catch (const Error&) {
      continue;
    }
  }
}

TEST(Spelling, ADictionaryIsFoundByNameAndByLanguage) {
  test::TemporaryFolder folder;
  folder.write("xx_YY.aff", kAff);
  folder.write("xx_YY.dic", kDic);
  const char* before = std::getenv("DICPATH");
  const std::string kept = before ? before : "";
  setenv("DICPATH", folder.path().c_str(), 1);
  EXPECT_EQ(find_dictionary("xx_YY"), folder / "xx_YY");
  EXPECT_EQ(find_dictionary("xx"), folder / "xx_YY");
  expect_says(refusal([] { find_dictionary("x"); }), "xx_YY");
  before ? setenv("DICPATH", kept.c_str(), 1) : unsetenv("DICPATH");
}

TEST(Language, TemplatesStandForAllTheirStrings) {
  const std::unordered_map<char, std::vector<std::string>> classes = {{'A', {"a", "e"}},
                                                                      {'I', {"ı", "i", "u", "ü"}}};
  const auto all = [&](const std::string& pattern) {
    return expand_affix(pattern, classes, "here");
  };
  EXPECT_EQ(all("lAr"), (std::vector<std::string>{"lar", "ler"}));
  EXPECT_EQ(all("(y)A"), (std::vector<std::string>{"a", "e", "ya", "ye"}));
  EXPECT_EQ(all("(I)m").size(), 5u);
  EXPECT_EQ(all("ş"), std::vector<std::string>{"ş"});
  EXPECT_TRUE(all("()").empty());
  EXPECT_EQ(all("((y)A)m"), (std::vector<std::string>{"am", "em", "m", "yam", "yem"}));
  for (const char* broken : {"(y", "y)", "((", ")("}) {
    expect_says(refusal([&] { all(broken); }), "brackets");
  }
  expect_says(refusal([&] { all("IIIIIIIIIIIIIIIIIIIIIIIIIIII"); }), "more than 10000 strings");
  expect_says(refusal([&] { all(std::string(2000, '(')); }), "more than 100 bytes");
}

TEST(Language, AFileSaysAllOfIt) {
  test::TemporaryFolder folder;
  dictionary(folder, kAff, kDic);
  folder.write("roots.txt", "ev\nKİTAP\n");
  const std::string file = folder.write("l.language",
                                        "# of a test\nname Test Language\nhunspell ./d\n"
                                        "roots roots.txt\ncasing turkic\njoiner ' ’\n"
                                        "class A a e\nsuffix lAr\nprefix ön\ninfix ma\n");
  const Language l = Language::open(file);
  EXPECT_EQ(l.name(), "Test Language");
  EXPECT_EQ(l.affixes(), 4u);
  EXPECT_EQ(l.roots(), 2u);
  EXPECT_TRUE(l.lacks().empty());
  EXPECT_EQ(l.folded("IĞDIR İĞNE"), "ığdır iğne");
  EXPECT_TRUE(l.root("kitap"));
  EXPECT_FALSE(l.root("çay"));
  EXPECT_TRUE(l.word("Çay", "çay"));
  EXPECT_TRUE(l.affix("ler", kSuffix));
  EXPECT_FALSE(l.affix("ler", kPrefix));
  EXPECT_TRUE(l.affix("ma", kInfix | kSuffix));
  EXPECT_TRUE(l.joins(U'’'));
  EXPECT_FALSE(l.joins(U'-'));
}

TEST(Language, WithoutRootsTheDictionaryIsAsked) {
  test::TemporaryFolder folder;
  dictionary(folder, kAff, kDic);
  const Language l = Language::parse("name T\nhunspell ./d\n", folder / "l.language");
  EXPECT_TRUE(l.root("ev"));
  EXPECT_FALSE(l.root("evler"));
  EXPECT_EQ(l.lacks().size(), 2u);
}

TEST(Language, WhatAFileGetsWrongIsNamedWithItsLine) {
  const auto parsed = [](const std::string& text) {
    return refusal([&] { Language::parse(text, "x"); });
  };
  expect_says(parsed(""), "no line \"name\"");
  expect_says(parsed("name T\n"), "neither a dictionary nor roots nor affixes");
  expect_says(parsed("name T\nsufix lar\n"), "x: line 2: the key sufix is not there");
  expect_says(parsed("name T\nsufix lar\n"), "Did you mean suffix?");
  expect_says(parsed("name T\nclass a b\n"), "line 2: is no class");
  expect_says(parsed("name T\ncasing greek\n"), "the casing greek");
  expect_says(parsed("name T\nsuffix (a\n"), "line 2: (a has brackets");
  expect_says(parsed("name T\nsuffix\n"), "says nothing");
  expect_says(parsed("name \xFF\n"), "not UTF-8");
  expect_says(parsed("name T\nhunspell ./none\n"), "is not there");
  expect_says(refusal([] { Language::open("zz"); }), "the dictionary zz");
}

TEST(Language, TurkishIsBuiltIn) {
  ASSERT_EQ(built_in_languages().size(), 1u);
  const BuiltInLanguage turkish = built_in_languages()[0];
  EXPECT_EQ(turkish.name, "tr");
  // Without its dictionary, which may not be installed and takes seconds under sanitizers.
  std::string text(turkish.text);
  const size_t line = text.find("hunspell tr_TR\n");
  ASSERT_NE(line, std::string::npos);
  const Language l = Language::parse(text.erase(line, 15), "tr");
  EXPECT_EQ(l.affixes(), 851u);
  for (const char* suffix : {"lar", "ler", "i", "den", "iyor", "dikçe", "yacağ", "ndan", "mışız"}) {
    EXPECT_EQ(l.affix(suffix, kSuffix), std::string(suffix) != "mışız") << suffix;
  }
  EXPECT_EQ(l.folded("IŞIK İzmir"), "ışık izmir");
  EXPECT_TRUE(l.joins(U'’'));
}

}  // namespace
}  // namespace tessera
