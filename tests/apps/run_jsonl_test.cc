// Oracle: the same prompts, each run alone.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/apps/spawn.h"
#include "tests/apps/verbs.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using test::Ended;
using test::expect_refused;
using test::last_object;
using test::spawn;
using Json = nlohmann::json;

std::vector<Json> lines(const std::string& out) {
  std::vector<Json> objects;
  size_t begin = 0;
  for (size_t end; (end = out.find('\n', begin)) != std::string::npos; begin = end + 1)
    objects.push_back(Json::parse(out.substr(begin, end - begin)));
  return objects;
}

TEST(RunJsonl, AnswersInTheOrderOfTheLinesWhatEachPromptGetsAlone) {
  NEEDS_MODEL("smollm2");
  const std::string input =
      "{\"prompt\":\"Name the first month.\",\"max_tokens\":9}\n\n"
      "{\"id\":\"b\",\"prompt\":\"Name a colour.\",\"max_tokens\":3,\"temp\":1.5,\"seed\":4}\n"
      "{\"prompt\":\"One, two, three,\",\"raw\":true,\"max_tokens\":5,\"stop\":[\"six\"]}\n";
  const Ended e = spawn({"run", "--jsonl", "-", "--batch", "2"}, {.input = input});
  ASSERT_EQ(e.status, 0) << e.err;
  const auto got = lines(e.out);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0]["id"], 1);
  EXPECT_EQ(got[1]["id"], "b");
  EXPECT_EQ(got[2]["id"], 4);
  const std::vector<std::vector<std::string>> alone = {
      {"Name the first month.", "--max-tokens", "9"},
      {"Name a colour.", "--max-tokens", "3", "--temp", "1.5", "--seed", "4"},
      {"One, two, three,", "--raw", "--max-tokens", "5", "--stop", "six"}};
  for (size_t i = 0; i < alone.size(); ++i) {
    std::vector<std::string> words = {"run", "--json"};
    words.insert(words.end(), alone[i].begin(), alone[i].end());
    const Json one = last_object(spawn(words));
    EXPECT_EQ(got[i]["ids"], one["ids"]) << i;
    EXPECT_EQ(got[i]["text"], one["text"]) << i;
    EXPECT_EQ(got[i]["finish"], one["finish"]) << i;
  }
}

TEST(RunJsonl, AWrongLineIsRefusedBeforeAModelIsOpened) {
  for (const auto& [line, words] : std::vector<std::pair<std::string, std::string>>{
           {"nonsense", "line 2: is no JSON"},
           {"[1]", "is no JSON object"},
           {"{}", "has no \"prompt\""},
           {"{\"promt\":\"x\"}", "Did you mean prompt?"},
           {"{\"prompt\":\"x\",\"max_tokens\":0}", "\"max_tokens\" is 0"},
           {"{\"prompt\":\"x\",\"seed\":-1}", "\"seed\" is -1"},
           {"{\"prompt\":7}", "\"prompt\" is 7, not a text"},
           {"{\"messages\":[{\"role\":\"user\"}]}", "\"messages\" is"}}) {
    const Ended e = spawn({"run", "-m", "no-such-model", "--jsonl", "-"},
                          {.input = "{\"prompt\":\"x\"}\n" + line + "\n"});
    expect_refused(e, 1, words);
  }
  expect_refused(spawn({"run", "--jsonl", "-"}), 1, "holds no request");
  expect_refused(spawn({"run", "--jsonl", "no-such-file"}), 1, "no-such-file");
  expect_refused(spawn({"run", "--jsonl", "-", "prompt"}), 2, "excludes");
  expect_refused(spawn({"run", "--batch", "2", "prompt"}), 2, "requires --jsonl");
}

TEST(RunJsonl, ARequestThatFailsSaysWhyAndTheOthersAreAnswered) {
  NEEDS_MODEL("smollm2");
  const Ended e = spawn({"run", "--jsonl", "-", "--cache-bytes", "2M"},
                        {.input = "{\"prompt\":\"Hi\",\"max_tokens\":400}\n"
                                  "{\"prompt\":\"Hi\",\"max_tokens\":2}\n"});
  EXPECT_EQ(e.status, 1);
  const auto got = lines(e.out);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0]["finish"], "error");
  EXPECT_NE(got[0]["error"].get<std::string>().find("Allow "), std::string::npos);
  EXPECT_EQ(got[1]["finish"], "length");
  EXPECT_NE(e.err.find("1 of 2 requests failed"), std::string::npos) << e.err;
}

TEST(RunCache, TheNextRunReadsOnlyWhatIsNewAndAnswersTheSame) {
  NEEDS_MODEL("smollm2");
  test::TemporaryFolder folder;
  const std::string file = folder / "past", common = "A long text that both begin with. ";
  const auto ask = [&](const std::string& prompt, bool cached) {
    std::vector<std::string> words = {"run", "--raw", "--json", "--max-tokens", "5", prompt};
    if (cached) words.insert(words.end(), {"--cache", file});
    return last_object(spawn(words));
  };
  EXPECT_EQ(ask(common + "First.", true)["reused_tokens"], 0);
  const Json again = ask(common + "Second.", true), plain = ask(common + "Second.", false);
  EXPECT_GE(again["reused_tokens"], 8);
  EXPECT_LT(again["reused_tokens"], again["prompt_tokens"]);
  EXPECT_EQ(again["ids"], plain["ids"]);
  // All keys of the suffix's queries and no others were read.
  EXPECT_LT(again["context"]["keys_read"], plain["context"]["keys_read"]);
  expect_refused(spawn({"run", "--cache", file, "--context", "streaming", "x"}), 1,
                 "another context policy");
  folder.write("past", "tessera past 1\n and then something else");
  expect_refused(spawn({"run", "--cache", file, "x"}), 1, "is no whole cache file");
  expect_refused(spawn({"run", "--cache", folder / "none" + "/past", "x"}), 1, "cannot be written");
}

}  // namespace
}  // namespace tessera
