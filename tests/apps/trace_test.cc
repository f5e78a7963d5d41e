// Oracles: the contract of the command line; the recorder's file, read back.
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "tessera/eval/trace_file.h"
#include "tests/apps/spawn.h"
#include "tests/apps/verbs.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using test::Ended;
using test::expect_refused;
using test::spawn;

TEST(TraceVerb, ShowsARunAndRefusesAnotherModels) {
  NEEDS_MODEL("smollm2");
  const test::TemporaryFolder folder;
  const std::string file = folder / "t.jsonl", page = folder / "t.html";
  const std::vector<std::string> words = {
      "run", "--max-tokens", "2", "--context", "streaming:sinks=2,local=8", "</script>"};
  auto with = words;
  with.insert(with.end(), {"--trace", file});
  const Ended traced = spawn(with), plain = spawn(words);
  EXPECT_EQ(traced.out, plain.out);
  const Trace trace = read_trace(file);
  EXPECT_EQ(trace.origin.layers, 30);
  EXPECT_EQ(trace.rows.size(), 2U * 30 * 3);
  EXPECT_EQ(static_cast<int64_t>(trace.ids.size()), trace.origin.prompt_tokens + 2);
  ASSERT_EQ(spawn({"trace", file, "-o", page}).status, 0);
  std::stringstream html;
  html << std::ifstream(page).rdbuf();
  EXPECT_NE(html.str().find("streaming:sinks=2"), std::string::npos);
  // What the text says does not end the page's script.
  EXPECT_EQ(html.str().find("</script>"), html.str().rfind("</script>"));

  expect_refused(spawn({"trace", folder.write("empty", ""), "-o", folder / "o.html"}), 1,
                 "empty: is");

  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  std::string other = text.str();
  const size_t at = other.find("xxh64:") + 6;
  other[at] = other[at] == '0' ? '1' : '0';
  expect_refused(spawn({"trace", folder.write("o", other), "-o", folder / "o.html"}), 1,
                 "another model");
  other = text.str();
  other.replace(other.find("\"tessera_trace\":1"), 17, "\"tessera_trace\":9");
  expect_refused(spawn({"trace", folder.write("o", other), "-o", folder / "o.html"}), 1,
                 "another version");
  EXPECT_FALSE(std::filesystem::exists(folder / "o.html"));
  expect_refused(spawn({"run", "--trace", "/none/t", "hi"}), 1, "/none");
}

}  // namespace
}  // namespace tessera
