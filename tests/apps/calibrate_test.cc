// Oracles: the contract of the command line; the file that was written, read back.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tessera/context/act_file.h"
#include "tests/apps/spawn.h"
#include "tests/apps/verbs.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using test::expect_refused;
using test::last_object;
using test::spawn;
using Json = nlohmann::json;

// Short texts: each head costs a pass over all of them.
std::string labelled(int count) {
  const char* const animals[] = {"dog", "cat", "horse", "cow", "sheep", "goat", "lion", "wolf"};
  const char* const plants[] = {"oak", "rose", "fern", "pine", "grass", "tulip", "moss", "palm"};
  std::string out;
  for (int i = 0; i < count; ++i) {
    const bool animal = i % 2 == 0;
    out += Json({{"text", std::string(i / 16 % 2 == 0 ? "a " : "the ") +
                              (animal ? animals : plants)[i / 2 % 8]},
                 {"label", animal ? "animal" : "plant"}})
               .dump() +
           "\n";
  }
  return out;
}

TEST(Calibrate, RefusesWhatCannotBeSearched) {
  const test::TemporaryFolder folder;
  const std::string out = folder / "act.json";
  expect_refused(spawn({"calibrate", folder.write("a.jsonl", labelled(32))}), 2, "-o act.json");
  expect_refused(spawn({"calibrate", folder.write("b.jsonl", labelled(9)), "-o", out}), 1,
                 "too few");
  expect_refused(spawn({"calibrate", folder.write("c.jsonl", "{\"text\":\"x\"}\n"), "-o", out}), 1,
                 "c.jsonl:1");
  expect_refused(spawn({"calibrate", folder.write("d.jsonl", "{\"text\":\"x\",\"label\":\"a\"}\n"),
                        "-o", out}),
                 1, "two labels");
  expect_refused(spawn({"calibrate", folder.write("e.txt", "Short."), "-o", out}), 1,
                 "longer text");
  expect_refused(spawn({"calibrate", folder.write("empty.txt", ""), "-o", out}), 1, "empty.txt");
  expect_refused(spawn({"calibrate", folder / "a.jsonl", "-o", out, "--mode", "no"}), 2, "mode");
  expect_refused(spawn({"calibrate", folder / "a.jsonl", "--svg", out}), 2, "--report");
  EXPECT_FALSE(std::filesystem::exists(out));
}

// A file that is damaged is no mistake of the command line; a key that is wrong is one.
TEST(Calibrate, ADamagedFileIsNamed) {
  NEEDS_MODEL("smollm2");
  const test::TemporaryFolder folder;
  const std::string bad = folder.write("bad.json", "{\"x\":");
  expect_refused(spawn({"run", "--context", "act:file=" + bad, "hi"}), 1, "bad.json");
  expect_refused(spawn({"run", "--context", "act:file=" + (folder / "none.json"), "hi"}), 1,
                 "none.json");
  expect_refused(spawn({"run", "--context", "act:heads=3.x", "hi"}), 2, "LAYER.HEAD");
  expect_refused(spawn({"run", "--context", "act:beta=2", "hi"}), 2, "beta");
}

TEST(Calibrate, WritesAFileThatServesItsModelAndNoOther) {
  NEEDS_MODEL("smollm2");
  const test::TemporaryFolder folder;
  const int each = 8;
  const std::string out = folder / "act.json", items = folder.write("a.jsonl", labelled(32)),
                    n = std::to_string(each);
  const std::vector<std::string> words = {"calibrate", items,
                                          "-o",        out,
                                          "--prompt",  "{text}: a kind of",
                                          "--layers",  "15-15",
                                          "--search",  n,
                                          "--choose",  n,
                                          "--test",    n,
                                          "--betas",   "0.4",
                                          "--keep",    "logprob",
                                          "--json",    "--min-queries",
                                          "1",         "-j",
                                          "1"};
  const auto whole = last_object(spawn(words));
  const auto tried = std::filesystem::file_size(out + ".log");
  const ActFile file = read_act_file(out);
  EXPECT_EQ(file.layers, 30);
  EXPECT_EQ(file.heads, 9);
  EXPECT_EQ(file.items.size(), static_cast<size_t>(2 * each));
  EXPECT_EQ(whole.at("heads_tried"), 9);
  EXPECT_EQ(whole.at("heads_kept"), file.chosen.size());
  ASSERT_FALSE(file.chosen.empty());
  EXPECT_EQ(file.scores.back().n, each);
  auto none = words;
  none.insert(none.end(), {"--margin", "1", "--keep", "accuracy"});
  none.erase(std::find(none.begin(), none.end(), std::string("logprob")) - 1,
             std::find(none.begin(), none.end(), std::string("logprob")) + 1);
  const auto kept_none = last_object(spawn(none));
  EXPECT_EQ(kept_none.at("heads_kept"), 0);
  EXPECT_FALSE(kept_none.at("reliable"));
  std::filesystem::remove(out);
  // The same command gives the same, and tries no head again.
  EXPECT_EQ(last_object(spawn(words)), whole);
  EXPECT_EQ(std::filesystem::file_size(out + ".log"), tried);

  const auto context = "act:file=" + out;
  const auto run = last_object(
      spawn({"run", "--json", "--max-tokens", "2", "--context", context, "Name a kind of tree."}));
  EXPECT_EQ(run.at("context").at("policy"), context);
  ActFile other = file;
  other.weights = "xxh64:0000000000000000";
  write_act_file(out, other);
  expect_refused(spawn({"run", "--context", context, "hi"}), 1, "another model");
  expect_refused(spawn({"score", "--context", "act:mode=pass", "--prefill", "4", items}), 2,
                 "later tokens");
}

TEST(Calibrate, ReportsSinks) {
  NEEDS_MODEL("smollm2");
  const test::TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 4; ++i) text += "The baker carried the basket after a long walk. ";
  const std::string sinks = folder / "sinks.json", svg = folder / "sinks.svg";
  const auto summary = last_object(spawn({"calibrate", folder.write("a.txt", text), "--report",
                                          "-o", sinks, "--svg", svg, "-j", "1", "--json"}));
  EXPECT_EQ(summary.at("inputs"), 1);
  EXPECT_GT(summary.at("first_token"), 0.5);
  std::ifstream file(sinks);
  const Json all = Json::parse(file);
  EXPECT_EQ(all.at("heads").size(), 270U);
  EXPECT_FALSE(all.at("sinks").empty());
  EXPECT_GT(std::filesystem::file_size(svg), 10000U);
  expect_refused(spawn({"calibrate", folder.write("b.txt", "Short."), "--report"}), 1, "paragraph");
}

}  // namespace
}  // namespace tessera
