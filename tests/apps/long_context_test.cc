// Bad input of `--context` and what belongs to it, as a person gives it. Oracle: the contract of
// the command line; what a policy did is told.
#include <gtest/gtest.h>

#include "tests/apps/spawn.h"
#include "tests/apps/verbs.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using test::Ended;
using test::expect_refused;
using test::spawn;

TEST(LongContext, RefusesSpecsThatCannotBe) {
  for (const auto& [spec, words] : std::vector<std::pair<std::string, std::string>>{
           {"quest:budget=0", "budget is \"0\""},
           {"snapkv:budget=0", "budget is \"0\""},
           {"long-heads:budget=0", "budget is \"0\""},
           {"streaming:local=0", "local is \"0\""},
           {"recycled:bugdet=5", "Did you mean budget?"},
           {"recycled:stride=5", "does nothing with when=compare"},
           {"token-select:theta=1.5", "theta"},
           {"token-select:chunk=600", "larger than local=512"},
           {"act:tau=0.2,alpha=3", "one of the two"},
           {"quest,snapkv", "name:key=value"}}) {
    SCOPED_TRACE(spec);
    expect_refused(spawn({"run", "--context", spec, "hi"}), 2, words);
  }
  expect_refused(spawn({"run", "--context", "quest", "--context", "snapkv", "hi"}), 2, "--context");
  expect_refused(spawn({"eval", "needle", "--context", "quest", "--budget", "0"}), 2,
                 "\"0\" is no number above 0");
  expect_refused(spawn({"score", "--prefill", "-1", "text"}), 2, "\"-1\" is no number from 0 on");
}

TEST(LongContext, SaysWhatALongerWindowNeeds) {
  NEEDS_MODEL("smollm2");
  expect_refused(spawn({"run", "--ctx", "20000", "hi"}), 1, "add --rope-scaling yarn:factor=3");
  const Ended stretched = spawn({"run", "--ctx", "20000", "--rope-scaling", "yarn:factor=2", "hi"});
  expect_refused(stretched, 1, "Give at most --ctx 16384");
  EXPECT_EQ(stretched.err.find("add --rope-scaling"), std::string::npos);
  expect_refused(spawn({"run", "--context", "long-heads:budget=16384,begin=2048", "hi"}), 1,
                 "the trained window 8192");
  expect_refused(spawn({"run", "--context", "snapkv", "--cache-type", "q8", "hi"}), 1,
                 "Use --cache-type f16");
  expect_refused(spawn({"run", "--context", "snapkv", "--draft", "lookup", "hi"}), 1,
                 "takes tokens back");
}

// Not ended by the kernel half-way: 4 million tokens of this model take over 100 GB.
TEST(LongContext, APromptThatMemoryCannotHoldIsRefused) {
  NEEDS_MODEL("smollm2");
  std::string text;
  while (text.size() < (8U << 20)) text += "a a a a a a a a a a a a a a a a ";
  const test::TemporaryFolder folder;
  const std::string file = folder.write("long.txt", text);
  expect_refused(spawn({"run", "--context", "token-select", "--file", file, "What is this?"}), 1,
                 " are free");
}

// A budget that no text reaches is no mistake, and is told.
TEST(LongContext, APolicyThatLeftNothingOutSaysSo) {
  NEEDS_MODEL("smollm2");
  const auto told = [](const std::string& context) {
    const Ended e = spawn({"run", "--max-tokens", "2", "--context", context, "hi"});
    EXPECT_EQ(e.status, 0) << e.err;
    return e.err;
  };
  EXPECT_NE(told("recycled:budget=100000").find("left nothing out"), std::string::npos);
  EXPECT_EQ(told("streaming:local=8"), "");
  EXPECT_EQ(told("full"), "");
}

}  // namespace
}  // namespace tessera
