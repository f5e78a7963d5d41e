// `tokenizer train` and `tokenizer extend` as a script meets them.
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "tests/apps/verbs.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using test::expect_refused;
using test::last_object;
using test::spawn;

const std::string kText = "the cat and the hat\nthe dog and the log\n";

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(TokenizerTrain, FilesFoldersJsonlAndStandardInputAreTheSameText) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("texts/a.txt", kText);
  const auto train = [&](const std::string& source, const std::string& input = "") {
    const std::string out = folder / "out.json";
    const auto e = spawn({"tokenizer", "train", "--vocab-size", "270", "--json", "-o", out, source},
                         {.input = input});
    const auto json = last_object(e);
    EXPECT_EQ(json["tokens"], 270);
    EXPECT_EQ(json["bytes"], kText.size());
    return content(out);
  };
  const std::string wanted = train(file);
  EXPECT_FALSE(wanted.empty());
  EXPECT_EQ(train(folder / "texts"), wanted);
  EXPECT_EQ(train("-", kText), wanted);
  const std::string jsonl =
      "{\"text\":\"the cat and the hat\\n\"}\n{\"text\":\"the dog and the log\\n\"}\n";
  EXPECT_EQ(train(folder.write("b.jsonl", jsonl)), wanted);
}

TEST(TokenizerTrain, WhatIsMadeCanBeUsedAndExtended) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("a.txt", kText), out = folder / "out.json";
  EXPECT_EQ(
      spawn({"tokenizer", "train", "--special", "<s>", "--vocab-size", "265", "-o", out, file})
          .status,
      0);
  EXPECT_EQ(last_object(spawn({"tokenize", "-m", out, "--json", "<s>the"}))["ids"][0], 0);
  const std::string more = folder / "more.json";
  const auto made = last_object(spawn(
      {"tokenizer", "extend", out, "--with", file, "--vocab-size", "268", "--json", "-o", more}));
  EXPECT_EQ(made["before"], 265);
  EXPECT_EQ(made["after"], 268);
  const auto mode = spawn({"tokenizer", "extend", out, "--with", more, "--mode", "append",
                           "--vocab-size", "267", "--json", "-o", folder / "appended.json"});
  EXPECT_EQ(last_object(mode)["after"], 267);
}

TEST(TokenizerTrain, FaultsAreOneLineAndLeaveNothingBehind) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("a.txt", kText), out = folder / "out.json";
  const auto train = [&](std::vector<std::string> more) {
    std::vector<std::string> words = {"tokenizer", "train", "-o", out};
    words.insert(words.end(), more.begin(), more.end());
    return spawn(words);
  };
  expect_refused(train({"--vocab-size", "100", file}), 1, "256 is the least that works");
  expect_refused(train({folder.write("empty", "")}), 1, "nothing to learn from");
  expect_refused(train({folder / "missing"}), 1, "missing");
  expect_refused(train({"--model", "bp", file}), 2, "Did you mean bpe?");
  expect_refused(train({"--model", "bpe:min-frequenzy=2", file}), 2, "min-frequency");
  expect_refused(train({"--memory", "lots", file}), 2, "500M");
  expect_refused(train({"--pre-tokenizer", "gtp2", file}), 1, "Did you mean gpt2?");
  EXPECT_FALSE(std::filesystem::exists(out));
  EXPECT_EQ(folder.files(), 2U);
  expect_refused(spawn({"tokenizer", "train", "-o", folder / "no/out.json", file}), 1, "folder");
}

}  // namespace
}  // namespace tessera
