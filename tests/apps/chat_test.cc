// `tessera run` without a prompt on a terminal.
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/apps/terminal.h"
#include "tests/apps/verbs.h"

namespace tessera {
namespace {

using test::kCtrlC;
using test::kCtrlD;
using test::Terminal;

// With --json each turn prints its object, on a line of its own.
nlohmann::json turn(Terminal& terminal, const std::string& message) {
  terminal.type(message + "\n");
  terminal.until("{\"text\"");
  const std::string object = terminal.until("\n");
  EXPECT_TRUE(terminal.found()) << object;
  return nlohmann::json::parse("{\"text\"" + object);
}

TEST(Chat, KeepsItsHistoryAndReadsNothingTwice) {
  NEEDS_MODEL("smollm2")
  Terminal terminal({"run", "--json", "--max-tokens", "4"});
  terminal.until("> ");
  const auto first = turn(terminal, "My name is Ada.");
  const auto second = turn(terminal, "What is my name?");
  const auto held = first["prompt_tokens"].get<int64_t>() + first["tokens"].get<int64_t>();
  EXPECT_GT(second["prompt_tokens"], held);
  EXPECT_GE(second["reused_tokens"], first["prompt_tokens"]);
  terminal.until("> ");
  terminal.type(kCtrlD);
  EXPECT_EQ(terminal.wait(), 0);
}

TEST(Chat, CtrlCStopsTheAnswerAndNotTheProgram) {
  NEEDS_MODEL("smollm2")
  Terminal terminal({"run"});
  terminal.until("> ");
  terminal.type("Count from 1 to 1000, one number a line.\n");
  terminal.until("\r\n");  // the echo of what was typed
  terminal.until("\r\n");  // a line of the answer
  ASSERT_TRUE(terminal.found());
  terminal.type(kCtrlC);
  const std::string rest = terminal.until("> ");
  EXPECT_TRUE(terminal.found()) << rest;
  EXPECT_EQ(rest.find("1000"), std::string::npos) << rest;
  terminal.type("Say hi.\n");
  terminal.until("\r\n");
  EXPECT_NE(terminal.until("> "), "\r\n");
  EXPECT_TRUE(terminal.found());
  terminal.type(kCtrlD);
  EXPECT_EQ(terminal.wait(), 0);
}

TEST(Chat, CtrlCAtThePromptDropsWhatWasTypedAndTwiceLeavesWith130) {
  NEEDS_MODEL("smollm2")
  Terminal terminal({"run"});
  terminal.until("> ");
  terminal.type("never sent");
  terminal.type(kCtrlC);
  terminal.until("leaves.");
  EXPECT_TRUE(terminal.found());
  terminal.until("> ");
  terminal.type(kCtrlC);
  EXPECT_EQ(terminal.wait(), 130);
}

TEST(Chat, CtrlDLeavesAtOnceWithZero) {
  NEEDS_MODEL("smollm2")
  Terminal terminal({"run"});
  terminal.until("> ");
  terminal.type(kCtrlD);
  EXPECT_EQ(terminal.wait(), 0);
}

}  // namespace
}  // namespace tessera
