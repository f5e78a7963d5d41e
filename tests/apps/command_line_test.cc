#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/apps/spawn.h"
#include "tests/apps/verbs.h"

namespace tessera {
namespace {

using test::Ended;
using test::expect_refused;
using test::last_object;
using test::spawn;
using Json = nlohmann::json;

// Oracle of this file: the contract that docs/commands.md states, one line of it a test.
TEST(CommandLine, NamesTheNearestVerbFlagAndMethod) {
  expect_refused(spawn({"rnu", "hi"}), 2, "Did you mean run?");
  expect_refused(spawn({"bench", "modle"}), 2, "Did you mean model?");
  expect_refused(spawn({"run", "--tmep", "1", "hi"}), 2, "Did you mean --temp?");
  expect_refused(spawn({"run", "--context", "streming", "hi"}), 2, "Did you mean streaming?");
  expect_refused(spawn({"list", "contxt"}), 2, "Did you mean context?");
  expect_refused(spawn({"run", "two", "texts"}), 2, "quotes");
  expect_refused(spawn({"run", "-j", "0", "hi"}), 2, "--threads");
  expect_refused(spawn({"tokenize", "a", "--file", "b"}), 2, "exclude each other");
}

TEST(CommandLine, WithoutAVerbRemindsOnStandardErrorAndExitsWithTwo) {
  for (const auto& [words, verb] :
       {std::pair<std::vector<std::string>, const char*>{{}, "tokenize"},
        {{"bench"}, "tokenizer"}}) {
    const Ended e = spawn(words);
    EXPECT_EQ(e.status, 2);
    EXPECT_EQ(e.out, "");
    EXPECT_NE(e.err.find(verb), std::string::npos);
  }
}

TEST(CommandLine, EveryVerbsHelpShowsAnExampleAndTheExitStatuses) {
  for (const char* verb :
       {"run", "score", "tokenize", "embed", "inspect", "models", "list", "doctor"}) {
    const Ended e = spawn({verb, "--help"});
    EXPECT_EQ(e.status, 0);
    EXPECT_NE(e.out.find(std::string("  tessera ") + verb), std::string::npos) << verb;
    EXPECT_NE(e.out.find("exit  0"), std::string::npos) << verb;
  }
}

TEST(CommandLine, VersionNamesTheProcessorLevel) {
  EXPECT_NE(spawn({"--version"}, {.environment = {{"TESSERA_LEVEL", "reference"}}})
                .out.find(", reference"),
            std::string::npos);
  expect_refused(spawn({"--version"}, {.environment = {{"TESSERA_LEVEL", "avx9"}}}), 1, "avx9");
}

TEST(CommandLine, AModelThatIsNotThereListsWhatIs) {
  expect_refused(spawn({"run", "-m", "no-such-model", "hi"}), 1,
                 "there is no such file, folder or model");
}

TEST(CommandLine, ListGivesOneObjectAMethod) {
  const Json row = last_object(spawn({"list", "context", "--json"}));
  for (const char* field : {"number", "system", "name", "seam", "paper", "verb"})
    EXPECT_TRUE(row.contains(field)) << field;
  EXPECT_EQ(row["seam"], "context");
}

TEST(Run, GivesTheContractsObject) {
  NEEDS_MODEL("smollm2")
  const Json o = last_object(spawn({"run", "--json", "--seed", "7", "--max-tokens", "4", "Hi"}));
  EXPECT_TRUE(o["text"].is_string());
  EXPECT_EQ(o["ids"].size(), o["tokens"].get<size_t>());
  EXPECT_EQ(o["seed"], 7);
  EXPECT_TRUE(o["context"].is_object());
  EXPECT_TRUE(o["prefill_tokens_per_s"].is_number());
  EXPECT_TRUE(o["decode_tokens_per_s"].is_number());
  EXPECT_EQ(o["finish"], "length");
}

TEST(Run, RefusesPromptsThatAreEmptyOrTooLong) {
  NEEDS_MODEL("smollm2")
  expect_refused(spawn({"run"}), 1, "empty");
  std::string words;
  for (int i = 0; i < 9000; ++i) words += "word ";
  expect_refused(spawn({"run"}, {.input = words}), 1, "the context has 8192");
}

TEST(Run, EndsQuietlyWhenItsReaderGoesAway) {
  NEEDS_MODEL("smollm2")
  const Ended e = spawn({"run", "Count from 1 to 1000"}, {.read_at_most = 10, .limit_ms = 60000});
  EXPECT_EQ(e.status, 0);
  EXPECT_EQ(e.err, "");
}

TEST(Run, IsInterruptedWithStatus130) {
  NEEDS_MODEL("smollm2")
  EXPECT_EQ(spawn({"run", "Count from 1 to 1000"}, {.interrupt = true, .limit_ms = 60000}).status,
            130);
}

TEST(Run, RefusesALevelThatTheProcessorLacks) {
  NEEDS_MODEL("smollm2")
  expect_refused(spawn({"run", "hi"}, {.environment = {{"TESSERA_LEVEL", "avx9"}}}), 1, "avx9");
}

TEST(Score, GivesTheContractsObject) {
  NEEDS_MODEL("smollm2")
  const Json o = last_object(spawn({"score", "--json"}, {.input = "The cat sat on the mat."}));
  for (const char* field : {"bytes", "tokens", "nll", "bits_per_byte", "perplexity"})
    EXPECT_TRUE(o[field].is_number()) << field;
}

TEST(Tokenize, GivesIdsSpansCountsAndTheTextBack) {
  NEEDS_MODEL("smollm2")
  EXPECT_EQ(last_object(spawn({"tokenize", "--json", "Hello world"})),
            Json::parse(R"({"ids":[19556,905],"spans":[[0,5],[5,11]]})"));
  EXPECT_EQ(last_object(spawn({"tokenize", "--count", "--json", "Hello world"})),
            Json::parse(R"({"bytes":11,"tokens":2})"));
  EXPECT_EQ(last_object(spawn({"tokenize", "--json", ""}))["ids"].size(), 0U);
  EXPECT_EQ(spawn({"tokenize", "--decode"}, {.input = "[19556,905]\n"}).out, "Hello world");
}

TEST(Embed, CutsOnlyWhenAsked) {
  NEEDS_MODEL("minilm")
  std::string words;
  for (int i = 0; i < 300; ++i) words += "word ";
  expect_refused(spawn({"embed"}, {.input = words}), 1, "takes 256");
  EXPECT_EQ(
      last_object(spawn({"embed", "--json", "--truncate"}, {.input = words}))["embedding"].size(),
      384U);
}

}  // namespace
}  // namespace tessera
