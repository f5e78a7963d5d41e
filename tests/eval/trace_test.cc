// Oracles: the same answer with and without a trace; the definition of the policies that are
// traced; a file read back.
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/eval/trace_file.h"
#include "tests/base/same_bits.h"
#include "tests/base/temporary_folder.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

std::string read(const std::string& path) {
  std::stringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

// Logits of a prompt of 20 tokens and 5 decoded ones.
std::vector<float> run(Network& network, const std::vector<int32_t>& ids, const std::string& spec) {
  const auto past = network.new_past(spec);
  past->announce(20);
  std::vector<float> vectors(ids.size() * 64), out(ids.size() * 96);
  network.embed(ids, vectors);
  for (size_t at = 0; at < ids.size();) {
    const size_t n = at == 0 ? 20 : 1;
    Segment s;
    s.past = past.get();
    s.count = s.wanted = static_cast<int64_t>(n);
    s.vectors = std::span(vectors).subspan(at * 64, n * 64);
    s.logits = std::span(out).subspan(at * 96, n * 96);
    network.forward({&s, 1});
    at += n;
  }
  return out;
}

Trace traced_run(Network& network, const std::vector<int32_t>& ids, const std::string& spec,
                 const std::string& path, int64_t most = 1 << 20) {
  TraceRecorder recorder(most);
  trace_selections(network, &recorder);
  const auto with = run(network, ids, spec);
  trace_selections(network, nullptr);
  EXPECT_TRUE(test::same_bits(with, run(network, ids, spec)));
  recorder.write(path, {"w", spec, 2, 4, 20}, ids);
  return read_trace(path);
}

TEST(Trace, TellsWhatEachDecodedTokenSaw) {
  const test::TemporaryFolder folder;
  const auto network = load_network(test::tiny_model(test::tiny_description(), 3));
  const auto ids = test::random_ids(4, 25, 96);
  const Trace t = traced_run(*network, ids, "streaming:sinks=2,local=6", folder / "a");
  EXPECT_EQ(t.origin.policy, "streaming:sinks=2,local=6");
  EXPECT_EQ(t.origin.prompt_tokens, 20);
  EXPECT_EQ(t.ids, ids);
  // The prompt's last token and five more, in two layers and for two KV heads.
  ASSERT_EQ(t.rows.size(), 6U * 2 * 2);
  for (const TraceRow& row : t.rows) {
    EXPECT_GE(row.token, 19);
    EXPECT_EQ(row.heads, 2);
    EXPECT_EQ(row.runs,
              (std::vector<std::pair<int64_t, int64_t>>{{0, 2}, {row.token - 5, row.token + 1}}));
  }
  // Each head by itself, and a list that nothing is told of.
  const Trace heads =
      traced_run(*network, ids, "long-heads:chunk=2,budget=8,begin=0", folder / "b");
  EXPECT_EQ(heads.rows.size(), 6U * 2 * 4);
  EXPECT_EQ(heads.rows[3].heads, 1);
  EXPECT_TRUE(traced_run(*network, ids, "full", folder / "c").rows.empty());
  // Two of the layer's heads are changed after the softmax.
  const Trace act = traced_run(
      *network, ids, "act:heads=1.0+1.3,any_layer=on,tau=0.04,min_queries=1", folder / "d");
  int64_t damped = 0;
  for (const TraceRow& row : act.rows) {
    EXPECT_EQ(row.layer, 1);
    damped += row.damped ? 1 : 0;
    EXPECT_TRUE(!row.damped || row.head == 0 || row.head == 3);
  }
  EXPECT_GT(damped, 0);
  // The same choices give the same bytes.
  traced_run(*network, ids, "streaming:sinks=2,local=6", folder / "e");
  EXPECT_EQ(read(folder / "a"), read(folder / "e"));
}

TEST(Trace, IsBoundedAndCountsWhatItLeavesOut) {
  const test::TemporaryFolder folder;
  const auto network = load_network(test::tiny_model(test::tiny_description(), 3));
  const auto ids = test::random_ids(4, 25, 96);
  const Trace t = traced_run(*network, ids, "streaming:sinks=2,local=6", folder / "a", 200);
  EXPECT_GT(t.rows.size(), 2U);
  EXPECT_EQ(static_cast<int64_t>(t.rows.size()) + t.left_out, 24);
}

TEST(Trace, RefusesWhatIsNone) {
  const test::TemporaryFolder folder;
  const std::string head =
      "{\"tessera_trace\":1,\"weights\":\"w\",\"policy\":\"p\",\"layers\":2,\"heads\":4,"
      "\"prompt_tokens\":1}\n";
  const std::string end = "{\"ids\":[1,2,3],\"left_out\":0}\n";
  EXPECT_EQ(read_trace(folder.write("a", head + "[2,1,0,2,0,0,0,1,2,3]\n" + end)).rows.size(), 1U);
  for (const std::string& text :
       {std::string(), std::string("{}"), std::string("\xff\n"), head, head + end + end,
        "{\"tessera_trace\":2}\n" + end, "{\"tessera_trace\":1}\n" + end,
        head + "[2,1,0,2,0,0,0]\n" + end, head + "[2,2,0,2,0,0,0,1]\n" + end,
        head + "[2,1,3,2,0,0,0,1]\n" + end, head + "[2,1,0,2,0,0,0,4]\n" + end,
        head + "[2,1,0,2,0,0,1,1]\n" + end, head + "[2,1,0,2,0,0,2,3,0,1]\n" + end,
        head + "[3,1,0,2,0,0,0,1]\n" + end, head + "[2,1,0,2,0,0,0,1e300]\n" + end,
        head + "[-1,1,0,2,0,0,0,1]\n" + end, head + "{\"ids\":[],\"left_out\":0}\n",
        head + "{\"ids\":[99999999999],\"left_out\":0}\n"}) {
    EXPECT_THROW(read_trace(folder.write("b", text)), Error) << text;
  }
  EXPECT_THROW(read_trace(folder / "none"), Error);
}

}  // namespace
}  // namespace tessera
