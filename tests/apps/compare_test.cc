// `tokenizer compare` with a language and with noise, recipes, and `repro`, as a script meets them.
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "tests/apps/verbs.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using test::expect_refused;
using test::last_object;
using test::spawn;

class Compare : public testing::Test {
 protected:
  Compare() {
    text_ = folder_.write("t.txt", "ev evler kitap kitaplar\nevler kitaplar ev 42, kitap\n");
    EXPECT_EQ(spawn({"tokenizer", "train", "--vocab-size", "262", "-o", a_, text_}).status, 0);
    EXPECT_EQ(spawn({"tokenizer", "train", "--vocab-size", "280", "-o", b_, text_}).status, 0);
    folder_.write("roots", "ev\nkitap\n");
    language_ = folder_.write("t.language", "name Small\nroots roots\nclass A a e\nsuffix lAr\n");
  }
  std::vector<std::string> words(std::vector<std::string> more) const {
    std::vector<std::string> out = {"tokenizer", "compare", a_, b_, "--corpus", text_};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  test::TemporaryFolder folder_;
  std::string text_, language_, a_ = folder_ / "a.json", b_ = folder_ / "b.json";
};

TEST_F(Compare, ALanguageIsJudgedForBothSides) {
  const std::string gold = folder_.write("gold", "ev ler\nkitap lar\n");
  const auto json = last_object(spawn(words({"--language", language_, "--gold", gold, "--json"})));
  const auto& l = json["linguistic"];
  EXPECT_EQ(l["language"], "Small");
  EXPECT_EQ(l["affixes"], 2);
  EXPECT_EQ(l["roots"], 2);
  EXPECT_EQ(l["gold_words"], 2);
  EXPECT_EQ(l["strict"], true);
  EXPECT_EQ(l["known_words"], 0.5);
  for (const char* side : {"a", "b"}) {
    for (const char* what : {"types", "occurrences", "null_types", "null_occurrences"}) {
      const double valid = l[side][what]["all"]["valid"], pure = l[side][what]["all"]["pure"];
      EXPECT_GE(valid, pure);
      EXPECT_LE(valid, 1);
    }
  }
  EXPECT_GT(l["b"]["types"]["all"]["valid"], l["a"]["types"]["all"]["valid"]);
  const auto table = spawn(words({"--language", language_}));
  EXPECT_NE(table.out.find("Small: 2 affixes, 2 roots, affixes in their place"), std::string::npos)
      << table.out;
  EXPECT_NE(table.out.find("no dictionary"), std::string::npos);
}

// Oracle: each corpus in a call of its own.
TEST_F(Compare, SeveralCorporaAreMeasuredTogetherAndEachAlone) {
  const std::string other = folder_.write("other.txt", "kitap, ev ve sokak\n");
  const auto both = last_object(spawn(words({"--corpus", other, "--json"})));
  const auto alone =
      last_object(spawn({"tokenizer", "compare", a_, b_, "--corpus", other, "--json"}));
  ASSERT_EQ(both["corpora"].size(), 2U);
  EXPECT_EQ(both["corpora"][0]["name"], "t");
  EXPECT_EQ(both["corpora"][1]["name"], "other");
  for (const char* side : {"a", "b"}) {
    for (const char* what : {"tokens", "fertility", "characters_per_token", "whole_words"}) {
      EXPECT_EQ(both["corpora"][1][side][what], alone[side][what]) << side << what;
    }
    EXPECT_EQ(both["corpora"][0][side]["tokens"].get<int>() + alone[side]["tokens"].get<int>(),
              both[side]["tokens"]);
  }
  EXPECT_FALSE(alone.contains("corpora"));
  EXPECT_NE(spawn(words({"--corpus", other})).out.find("\nother "), std::string::npos);
}

TEST_F(Compare, NoiseIsMeasuredForBothSides) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "ev evler kitap kitaplar\n";
  folder_.write("t.txt", text);
  const auto noise = last_object(spawn(words({"--noise", "--json"})))["noise"];
  EXPECT_EQ(noise["lines"], 300);
  EXPECT_GT(noise["edits"], 20);
  EXPECT_GT(noise["a"]["token_edits_per_edit"], 0.5);
  EXPECT_NE(spawn(words({"--noise"})).out.find("token edits a character edit"), std::string::npos);
}

TEST_F(Compare, TermsAreCountedForBothSides) {
  const std::string terms = folder_.write("terms", "evler\n\nxy\n");
  const auto json = last_object(spawn(words({"--terms", terms, "--json"})))["terms"];
  ASSERT_EQ(json["list"].size(), 2U);
  EXPECT_EQ(json["list"][0]["term"], "evler");
  EXPECT_GT(json["list"][0]["a"]["bare"], json["list"][0]["b"]["bare"]);
  EXPECT_EQ(json["list"][1]["a"]["bare"], 2);
  EXPECT_EQ(json["list"][1]["b"]["behind_space"], 3);
  EXPECT_NE(spawn(words({"--terms", "legal"})).out.find("mean of 10"), std::string::npos);
  EXPECT_EQ(last_object(spawn(words({"--terms", "pairs", "--json"})))["terms"]["list"][0]["term"],
            "evler kitap");
  expect_refused(spawn({"tokenizer", "compare", a_, b_, "--terms", "pairs"}), 2, "Add --corpus");
  expect_refused(spawn(words({"--terms", folder_.write("none", "\n")})), 1, "holds no term");
}

TEST_F(Compare, WhatCannotBeJudgedIsRefusedInOneLine) {
  expect_refused(spawn({"tokenizer", "compare", a_, b_, "--language", language_}), 2, "--corpus");
  expect_refused(spawn({"tokenizer", "compare", a_, b_, "--noise"}), 2, "--corpus");
  expect_refused(spawn(words({"--gold", text_})), 2, "--language");
  expect_refused(spawn(words({"--language", folder_ / "none.language"})), 1, "docs/languages.md");
  expect_refused(spawn(words({"--language", folder_.write("x.language", "nam x\n")})), 1,
                 "x.language: line 1: the key nam is not there");
  folder_.write("d.aff", "SFX 1 Y 2\nSFX 1 0 lar .\n");
  folder_.write("d.dic", "1\nev/1\n");
  expect_refused(
      spawn(words({"--language", folder_.write("d.language", "name D\nhunspell ./d\n")})), 1,
      "d.aff: line 2: follows a class SFX 1 that lacks 1 of its lines");
}

TEST_F(Compare, RecipesTrainAndUnknownOnesAreRefused) {
  const std::string out = folder_ / "out.json";
  const auto made = last_object(spawn({"tokenizer", "train", "--recipe", "char:max-chars=2",
                                       "--vocab-size", "300", "--json", "-o", out, text_}));
  EXPECT_EQ(made["tokens"], 512);
  EXPECT_EQ(made["figures"]["unreachable"], 0);
  EXPECT_EQ(last_object(spawn({"tokenize", "-m", out, "--json", "<|mask|>"}))["ids"][0], 6);
  std::filesystem::remove(out);
  const auto train = [&](std::vector<std::string> more) {
    std::vector<std::string> all = {"tokenizer", "train", "-o", out, text_};
    all.insert(all.end(), more.begin(), more.end());
    return spawn(all);
  };
  expect_refused(train({"--recipe", "domian"}), 2, "Did you mean domain?");
  expect_refused(train({"--recipe", "domain:grups=all"}), 2, "Did you mean groups?");
  expect_refused(train({"--recipe", "domain", "--model", "bpe"}), 2, "exclude each other");
  expect_refused(train({"--recipe", "domain", "--vocab-size", "1000"}), 1,
                 "is the least that works");
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST_F(Compare, ReprosNameTheFilesThatTheyTake) {
  expect_refused(spawn({"repro", "cabrita", text_, "--with", "lang=x"}), 2,
                 "a NAME of: language model");
  expect_refused(spawn({"repro", "less-is-better", text_, "--with", "a=b"}), 2,
                 "takes no files by name");
  expect_refused(spawn({"repro", "cabrit", text_}), 2, "Did you mean cabrita?");
}

TEST(BenchEntropy, TokensAreMeasuredBesideTheEntropyOfTheirSource) {
  test::TemporaryFolder folder;
  const std::string sample = folder / "s.txt", made = folder / "t.json";
  const std::vector<std::string> source = {"--source", "switching:p=0.9,q=0.9", "--letters",
                                           "20000", "--json"};
  const auto bench = [&](std::vector<std::string> more) {
    std::vector<std::string> all = {"bench", "entropy"};
    all.insert(all.end(), source.begin(), source.end());
    all.insert(all.end(), more.begin(), more.end());
    return spawn(all);
  };
  const auto alone = last_object(bench({"--sample", sample, "--order", "3"}));
  EXPECT_NEAR(alone["entropy_rate"], 0.3251, 0.0001);
  EXPECT_NEAR(alone["characters"][2]["nats_per_character"], 0.3251, 0.02);
  EXPECT_EQ(spawn({"tokenizer", "train", "--lines", "--pre-tokenizer", "bytes", "--vocab-size",
                   "290", "-o", made, sample})
                .status,
            0);
  const auto loss = last_object(bench({made}))["tokenizers"][0];
  EXPECT_EQ(loss["lossless"], true);
  EXPECT_EQ(loss["entries"], 36);
  EXPECT_GT(loss["ratio"], 0.97);
  EXPECT_LT(loss["nats_per_character"], 0.5);
  expect_refused(spawn({"bench", "entropy", made}), 2, "either --source or --corpus");
  expect_refused(spawn({"bench", "entropy", "--source", "switching:p=2"}), 1, "p");
  expect_refused(spawn({"bench", "entropy", "--source", folder.write("k.json", "{}")}), 1,
                 "k.json: is no kernel");
}

}  // namespace
}  // namespace tessera
