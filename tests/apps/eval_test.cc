// Oracles: the contract of `eval`; the solver of tests/eval for what items hold.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tessera/eval/chain.h"
#include "tessera/eval/needle.h"
#include "tessera/eval/ruler.h"
#include "tessera/eval/thread.h"
#include "tessera/files/model.h"
#include "tests/apps/spawn.h"
#include "tests/apps/verbs.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using test::Ended;
using test::expect_refused;
using test::spawn;
using Json = nlohmann::json;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream out;
  out << file.rdbuf();
  return out.str();
}

std::vector<Json> objects(const std::string& text) {
  std::vector<Json> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) out.push_back(Json::parse(line));
  return out;
}

TEST(Eval, RefusesWhatCannotBeMeasured) {
  expect_refused(spawn({"eval", "neddle"}), 2, "Did you mean needle?");
  expect_refused(spawn({"eval", "needle", "--context", "qest"}), 2, "Did you mean quest?");
  expect_refused(spawn({"eval", "needle", "--context", "quest:budgt=9"}), 2, "budget");
  expect_refused(spawn({"eval", "needle", "--context", "quest", "--budget", "64"}), 2, "96");
  expect_refused(spawn({"eval", "needle", "--context", "snapkv:budget=8"}), 2, "window");
  expect_refused(spawn({"eval", "needle", "--depths", "101"}), 2, "percentage");
  expect_refused(spawn({"eval", "needle", "--make", "a", "--items", "b"}), 2, "one of the two");
  expect_refused(spawn({"run", "--context", "long-heads:budget=100", "hi"}), 2, "multiple");
}

TEST(Repro, SaysWhatItIsGivenTooMuchOrTooLittleOf) {
  expect_refused(spawn({"repro", "token-selct"}), 2, "Did you mean token-select?");
  expect_refused(spawn({"repro", "recycled-attention"}), 2, "Name some");
  expect_refused(spawn({"repro", "long-heads", "text"}), 2, "makes its own");
  expect_refused(spawn({"repro", "needle-threading", "-n", "0"}), 2, "0");
}

TEST(Eval, StretchedPositionsOpenALongerWindow) {
  expect_refused(spawn({"run", "--rope-scaling", "yran", "hi"}), 2, "Did you mean yarn?");
  NEEDS_MODEL("smollm2");
  expect_refused(spawn({"run", "--ctx", "9000", "hi"}), 1, "8192");
  expect_refused(spawn({"run", "--ctx", "20000", "--rope-scaling", "ntk:factor=2", "hi"}), 1,
                 "16384");
  EXPECT_EQ(
      spawn({"run", "--ctx", "9000", "--rope-scaling", "ntk:factor=2", "--max-tokens", "2", "hi"})
          .status,
      0);
}

TEST(Eval, OneCommandAsksSeveralModelsInBothRegimes) {
  NEEDS_MODEL("smollm2");
  const test::TemporaryFolder folder;
  const std::string model = resolve_model("smollm2");
  const std::string other = folder / "other.gguf", out = folder / "out";
  std::filesystem::create_symlink(model, other);
  const std::vector<std::string> words = {
      "eval",         "needle", "-m",        "smollm2",
      "-m",           other,    "--regime",  "query-aware,query-agnostic",
      "--context",    "full",   "--context", "snapkv:budget=64,window=16",
      "--lengths",    "200",    "--depths",  "30",
      "-n",           "1",      "-o",        out,
      "--max-tokens", "4",      "--json"};
  const Ended e = spawn(words);
  ASSERT_EQ(e.status, 0) << e.err;
  const auto lines = objects(e.out), rows = objects(read(out + "/results.jsonl"));
  ASSERT_EQ(lines.size(), 8U);
  ASSERT_EQ(rows.size(), 8U);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(lines[i].at("model"), rows[i < 4 ? 0 : 4].at("model"));
    EXPECT_EQ(lines[i].at("regime"), i % 2 == 0 ? "query-aware" : "query-agnostic");
    EXPECT_EQ(lines[i].at("n"), 1);
    EXPECT_EQ(rows[i].at("output"), rows[(i + 4) % 8].at("output"));  // the same file
  }
  EXPECT_EQ(rows[0].at("output"), rows[1].at("output"));  // full attention has no choice to make
  // The question is read behind the list: more entries stay.
  EXPECT_GT(rows[3].at("context").at("bytes_freed"), 0);
  EXPECT_NE(rows[2].at("context").at("keys_read"), rows[3].at("context").at("keys_read"));
  // Nothing is asked twice.
  EXPECT_EQ(objects(spawn(words).out), lines);
  EXPECT_EQ(objects(read(out + "/results.jsonl")).size(), 8U);
  expect_refused(spawn({"eval", "needle", "-m", "a", "-m", "b", "--make", "c"}), 2, "one model");
  expect_refused(spawn({"eval", "needle", "--regime", "blind"}), 2, "query-aware");
  expect_refused(spawn({"eval", "threads", "--branches", "2", "--steps", "1"}), 2, "two or more");
}

TEST(Eval, ItemsAreTheSameForTheSameSeedAndCanBeSolved) {
  NEEDS_MODEL("smollm2");
  const test::TemporaryFolder folder;
  const auto make = [&](const std::string& task, const std::string& name, const char* seed) {
    const Ended e = spawn(
        {"eval", task, "--lengths", "200,400", "--seed", seed, "-n", "1", "--make", folder / name});
    EXPECT_EQ(e.status, 0) << e.err;
    return read(folder / name);
  };
  for (const std::string task : {"needle", "passkey", "niah", "threads"}) {
    const std::string items = make(task, "a", "1");
    EXPECT_EQ(items, make(task, "b", "1"));
    EXPECT_NE(items, make(task, "c", "2"));
    NeedleOptions options;
    if (task == "passkey") options.kind = NeedleKind::passkey;
    for (const Json& j : objects(items)) {
      const std::string prompt =
          j.at("text").get<std::string>() + "\n\n" + j.at("question").get<std::string>();
      EXPECT_EQ(task == "threads" ? solve_thread(prompt) : solve_needle(options, prompt),
                j.at("answer").get<std::string>());
    }
  }
}

// Oracles: the solvers; the scorers on the sweep's own outputs; the effective length by hand.
TEST(Eval, ChainsAndRulersTasksAreSolvedAndScored) {
  NEEDS_MODEL("smollm2");
  const test::TemporaryFolder folder;
  for (const std::string task : {"chain", "ruler"}) {
    SCOPED_TRACE(task);
    const std::string items = folder / task, out = folder / (task + "_out");
    std::vector<std::string> words = {"eval", task, "-n", "1", "--lengths", "250,300"};
    const std::vector<std::string> more = task == "chain"
                                              ? std::vector<std::string>{"--keys", "3"}
                                              : std::vector<std::string>{"--tasks", "vt,fwe"};
    words.insert(words.end(), more.begin(), more.end());
    const auto with = [&](std::vector<std::string> last) {
      last.insert(last.begin(), words.begin(), words.end());
      return last;
    };
    if (task == "ruler") words[5] = "1200,1300";
    ASSERT_EQ(spawn(with({"--make", items})).status, 0);
    const std::string bytes = read(items);
    ASSERT_EQ(spawn(with({"--make", items})).status, 0);
    EXPECT_EQ(read(items), bytes);
    const auto made = objects(bytes);
    ASSERT_EQ(made.size(), task == "chain" ? 2U : 4U);
    for (const Json& j : made) {
      const std::string prompt =
          j.at("text").get<std::string>() + "\n\n" + j.at("question").get<std::string>();
      auto solved = task == "chain" ? solve_chain(prompt) : solve_ruler(j.at("task"), prompt);
      auto wanted = j.at("answers").get<std::vector<std::string>>();
      std::sort(solved.begin(), solved.end());
      std::sort(wanted.begin(), wanted.end());
      EXPECT_EQ(solved, wanted);
    }
    if (task == "ruler") continue;
    const Ended e = spawn(with({"-o", out, "--max-tokens", "8", "--json"}));
    ASSERT_EQ(e.status, 0) << e.err;
    const auto lines = objects(e.out), rows = objects(read(out + "/results.jsonl"));
    ASSERT_EQ(lines.size(), 3U);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(lines[i].at("value"), score_chain(rows[i].at("output").get<std::string>(),
                                                  made[i].at("text").get<std::string>(), 3));
    }
    EXPECT_EQ(lines[2].at("measure"), "effective_length");
    EXPECT_LE(lines[2].at("value"), 300);
    EXPECT_NE(read(out + "/heat.svg").find("</svg>"), std::string::npos);
  }
  expect_refused(spawn({"eval", "ruler", "--tasks", "qa_1"}), 2, "qa_1");
  expect_refused(spawn({"eval", "ruler", "--tasks", "vt", "--lengths", "100"}), 1, "at least");
  expect_refused(spawn({"eval", "chain", "--lengths", "50"}), 1, "at least");
}

// Oracle: the scorer on the sweep's own outputs.
TEST(Eval, ListsOfThreadsAreSolvedAndScoredValueByValue) {
  NEEDS_MODEL("smollm2");
  const test::TemporaryFolder folder;
  const std::string out = folder / "sweep", items = folder / "items";
  for (const bool marked : {false, true}) {
    std::vector<std::string> words = {"eval",     "threads", "--steps", "1",         "--count",
                                      "2",        "--unit",  "digits5", "--lengths", "150",
                                      "--depths", "50",      "-n",      "2"};
    if (marked) words.emplace_back("--marked");
    auto with = [&](std::vector<std::string> more) {
      more.insert(more.begin(), words.begin(), words.end());
      return more;
    };
    ASSERT_EQ(spawn(with({"--make", items})).status, 0);
    std::vector<std::vector<std::string>> answers;
    for (const Json& j : objects(read(items))) {
      const std::string prompt =
          j.at("text").get<std::string>() + "\n\n" + j.at("question").get<std::string>();
      answers.push_back(j.at("answers"));
      EXPECT_EQ(solve_threads(prompt), answers.back());
    }
    const std::string results = out + (marked ? "marked" : "");
    const Ended e = spawn(with({"--items", items, "-o", results, "--max-tokens", "8", "--json"}));
    ASSERT_EQ(e.status, 0) << e.err;
    double share = 0;
    const auto rows = objects(read(results + "/results.jsonl"));
    ASSERT_EQ(rows.size(), answers.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      const ListScore s = score_list(rows[i].at("output").get<std::string>(), answers[i], !marked);
      EXPECT_EQ(rows[i].at("share"), s.share);
      EXPECT_EQ(rows[i].at("parsed"), s.parsed);
      share += s.share / static_cast<double>(rows.size());
    }
    const auto cells = objects(e.out);
    ASSERT_EQ(cells.size(), 1U);
    EXPECT_DOUBLE_EQ(cells[0].at("value").get<double>(), share);
    EXPECT_TRUE(cells[0].contains("unparsed"));
  }
  expect_refused(spawn({"eval", "threads", "--steps", "2", "--marked"}), 2, "--steps 1");
}

TEST(Eval, ASweepGoesOnWhereItStopped) {
  NEEDS_MODEL("smollm2");
  const test::TemporaryFolder folder;
  const std::string out = folder / "sweep";
  const std::vector<std::string> words = {
      "eval",      "needle", "--lengths", "100",          "--depths", "50", "-n",    "2", "-o", out,
      "--context", "full",   "--context", "h2o:local=64", "--budget", "64", "--json"};
  auto spoken = words;
  spoken.insert(spoken.end(), {"--max-tokens", "4"});
  // A budget that the local part fills is refused.
  expect_refused(spawn(spoken), 2, "local");
  std::replace(spoken.begin(), spoken.end(), std::string("h2o:local=64"), std::string("h2o"));
  const Ended first = spawn(spoken);
  ASSERT_EQ(first.status, 0) << first.err;
  const auto cells = objects(first.out);
  ASSERT_EQ(cells.size(), 2U);
  for (const Json& cell : cells) {
    EXPECT_EQ(cell.at("n"), 2);
    EXPECT_LE(cell.at("low"), cell.at("value"));
    EXPECT_GE(cell.at("high"), cell.at("value"));
  }
  EXPECT_EQ(cells[0].at("policy"), "full");
  EXPECT_TRUE(cells[0].at("attended_everything"));
  EXPECT_FALSE(cells[1].at("attended_everything"));
  EXPECT_LT(cells[1].at("keys_per_decoded_step"), 80);
  const std::string results = read(out + "/results.jsonl");
  EXPECT_EQ(std::count(results.begin(), results.end(), '\n'), 4);
  EXPECT_NE(read(out + "/heat.svg").find("</svg>"), std::string::npos);
  // Two answers and half a line are left: the answers are not asked again.
  size_t end = results.find('\n', results.find('\n') + 1) + 1;
  std::ofstream(out + "/results.jsonl") << results.substr(0, end + 30);
  const Ended again = spawn(spoken);
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(read(out + "/results.jsonl").substr(0, end), results.substr(0, end));
  auto same = objects(again.out);
  ASSERT_EQ(same.size(), 2U);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(same[i].at("value"), cells[i].at("value"));
  // Another sweep does not mix with it.
  spoken.insert(spoken.end(), {"--seed", "9"});
  expect_refused(spawn(spoken), 1, "another sweep");
}

}  // namespace
}  // namespace tessera
