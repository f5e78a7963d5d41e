// Oracle: the forward pass in plain loops, its attention maps changed as section 4 of arXiv
// 2406.15765 has it; full attention where nothing is calibrated.
#include "tessera/context/act.h"

#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"
#include "tessera/context/act_file.h"
#include "tessera/files/weights_hash.h"
#include "tests/base/same_bits.h"
#include "tests/base/temporary_folder.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

using Matrix = std::vector<std::vector<double>>;
using test::random_ids;
using test::same_bits;

constexpr double kBeta = 0.4, kTau = 0.08;
constexpr int64_t kLeast = 2;
// Heads 1 of layer 2 and 0, 3 of layer 3; low thresholds: random maps have no real sinks.
constexpr const char* kSpec = "act:heads=2.1+3.0+3.3,tau=0.08,min_queries=2";

ModelDescription five_layers() {
  ModelDescription d = test::tiny_description();
  d.layers = 5;
  d.layer.resize(5);
  return d;
}

bool chosen(int64_t layer, int64_t head) {
  return (layer == 2 && head == 1) || (layer == 3 && (head == 0 || head == 3));
}

// Sinks by the rows 0 .. last of a map.
std::set<size_t> sinks(const Matrix& map, size_t last) {
  std::set<size_t> out;
  for (size_t t = 1; t <= last; ++t) {
    double sum = 0;
    for (size_t q = t; q <= last; ++q) sum += map[q][t];
    const auto seen = static_cast<double>(last + 1 - t);
    if (seen >= kLeast && sum / seen > kTau) out.insert(t);
  }
  return out;
}

void calibrate(std::vector<double>& row, size_t q, const std::set<size_t>& sinks) {
  double m = 0;
  for (size_t t : sinks) m += t <= q ? row[t] : 0;
  if (m == 0 || 1 - m < 1e-6) return;
  for (size_t t = 0; t <= q; ++t) {
    row[t] *= sinks.count(t) ? kBeta : (1 - kBeta * m) / (1 - m);
  }
}

// `last_of(q)`: the row up to which sums count for row q.
std::vector<float> expected(const ModelFiles& model, const std::vector<int32_t>& ids,
                            const std::function<int64_t(int64_t)>& last_of, int64_t& changed) {
  const auto rows = test::naive_forward(model, ids, [&](int64_t layer, int64_t head, Matrix& map) {
    if (!chosen(layer, head)) return;
    const Matrix before = map;
    for (size_t q = 0; q < map.size(); ++q) {
      const int64_t last = last_of(static_cast<int64_t>(q));
      if (last < 0) continue;
      const auto s = sinks(before, static_cast<size_t>(last));
      calibrate(map[q], q, s);
      changed += map[q] != before[q] ? 1 : 0;
    }
  });
  std::vector<float> out;
  for (const auto& row : rows) out.insert(out.end(), row.begin(), row.end());
  return out;
}

std::vector<float> run(Network& network, const std::vector<int32_t>& ids, const std::string& spec,
                       int64_t prompt, const std::vector<int64_t>& cut = {}) {
  const auto width = static_cast<size_t>(network.description().embedding_width);
  const auto vocabulary = static_cast<size_t>(network.description().vocabulary);
  const auto past = network.new_past(spec);
  past->announce(prompt);
  std::vector<float> vectors(ids.size() * width), out(ids.size() * vocabulary);
  network.embed(ids, vectors);
  size_t at = 0;
  for (size_t i = 0; at < ids.size(); ++i) {
    const size_t n =
        i < cut.size() ? std::min(static_cast<size_t>(cut[i]), ids.size() - at) : ids.size() - at;
    Segment s;
    s.past = past.get();
    s.count = s.wanted = static_cast<int64_t>(n);
    s.vectors = std::span(vectors).subspan(at * width, n * width);
    s.logits = std::span(out).subspan(at * vocabulary, n * vocabulary);
    network.forward({&s, 1});
    at += n;
  }
  return out;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return most;
}

TEST(Act, EachModeIsTheMapChangedByItsRule) {
  const ModelFiles model = test::tiny_model(five_layers(), 11);
  const auto network = load_network(model);
  const auto ids = random_ids(12, 40, 96);
  constexpr int64_t kPrompt = 28;
  struct Case {
    const char* mode;
    std::function<int64_t(int64_t)> last_of;
  };
  const auto plain = run(*network, ids, "full", kPrompt);
  for (const Case& c : std::initializer_list<Case>{
           {"prompt", [](int64_t q) { return std::min<int64_t>(q, kPrompt - 1); }},
           {"running", [](int64_t q) { return q; }},
           {"pass", [](int64_t q) -> int64_t { return q < kPrompt ? kPrompt - 1 : 39; }}}) {
    SCOPED_TRACE(c.mode);
    int64_t changed = 0;
    const auto want = expected(model, ids, c.last_of, changed);
    EXPECT_GT(changed, 30);
    const auto got = run(*network, ids, std::string(kSpec) + ",mode=" + c.mode, kPrompt);
    EXPECT_LT(distance(got, want), 1e-4);
    EXPECT_GT(distance(got, plain), 1e-3);
  }
}

TEST(Act, NoTokenOfACausalModeSeesALaterOne) {
  const auto network = load_network(test::tiny_model(five_layers(), 13));
  const auto ids = random_ids(14, 40, 96);
  for (const std::string mode : {"prompt", "running", "pass"}) {
    SCOPED_TRACE(mode);
    const std::string spec = kSpec + (",mode=" + mode);
    EXPECT_EQ(make_guest<ContextPolicy>(spec)->foresees(), mode == "pass");
    const auto before = run(*network, ids, spec, 30);
    for (const size_t at : {20U, 35U}) {
      auto other = ids;
      other[at] = (other[at] + 1) % 96;
      const auto after = run(*network, other, spec, 30);
      EXPECT_EQ(same_bits(std::span(before).first(at * 96), std::span(after).first(at * 96)),
                mode != "pass")
          << at;
    }
  }
}

TEST(Act, ATextMayBeCutAnywhereAndItsPastForked) {
  const auto network = load_network(test::tiny_model(five_layers(), 15));
  const auto ids = random_ids(16, 40, 96);
  for (const std::string mode : {"prompt", "running"}) {
    const std::string spec = kSpec + (",mode=" + mode);
    const auto want = run(*network, ids, spec, 25);
    for (const auto& cut : {std::vector<int64_t>(40, 1), std::vector<int64_t>{7, 30}}) {
      EXPECT_TRUE(same_bits(want, run(*network, ids, spec, 25, cut))) << mode;
    }
  }
}

TEST(Act, ReportsWhatItChangedAndIsOffWhereNothingIsCalibrated) {
  const auto network = load_network(test::tiny_model(five_layers(), 17));
  const auto ids = random_ids(18, 40, 96);
  const auto past = network->new_past(kSpec);
  past->announce(40);
  std::vector<float> vectors(ids.size() * 64);
  network->embed(ids, vectors);
  Segment s;
  s.past = past.get();
  s.vectors = vectors;
  s.count = 40;
  network->forward({&s, 1});
  EXPECT_GT(past->counters().selections, 0);
  EXPECT_GT(past->counters().bytes_policy, 0);
  const auto plain = run(*network, ids, "full", 40);
  for (const char* spec : {"act:heads=2.1,beta=1", "act:tau=0.999", "act:min_queries=41"}) {
    EXPECT_TRUE(same_bits(plain, run(*network, ids, spec, 40))) << spec;
  }
  // A prompt of one or two tokens has nothing to calibrate.
  const std::vector<int32_t> two = {1, 2};
  EXPECT_TRUE(same_bits(run(*network, two, "full", 2), run(*network, two, kSpec, 2)));
}

// A second prompt in the same text: what was decoded between the two counts for no sum.
TEST(Act, GoesOnWithAnotherPrompt) {
  const auto network = load_network(test::tiny_model(five_layers(), 19));
  const auto ids = random_ids(20, 40, 96);
  const auto past = network->new_past(kSpec);
  std::vector<float> vectors(ids.size() * 64);
  network->embed(ids, vectors);
  for (const auto& [prompt, from, to] : {std::tuple{15, 0, 15}, std::tuple{15, 15, 20},
                                         std::tuple{35, 20, 35}, std::tuple{35, 35, 40}}) {
    past->announce(prompt);
    Segment s;
    s.past = past.get();
    s.count = to - from;
    s.vectors = std::span(vectors).subspan(static_cast<size_t>(from) * 64,
                                           static_cast<size_t>(s.count) * 64);
    network->forward({&s, 1});
  }
  EXPECT_EQ(past->length(), 40);
}

// Adaptivity: which tokens are sinks depends on the text.
TEST(Act, SinksAreOfTheTextNotOfThePlace) {
  ReceivedAttention one, two;
  for (size_t q = 0; q < 6; ++q) {
    std::vector<float> a(q + 1, 0.1f), b(q + 1, 0.1f);
    if (q >= 2) a[2] = b[3 < q + 1 ? 3 : q] = 0.8f;
    one.add(a);
    two.add(b);
  }
  const SinkRule rule{.tau = 0.3, .min_queries = 2};
  std::vector<int32_t> got;
  one.sinks(rule, 1, got);
  EXPECT_EQ(got, (std::vector<int32_t>{2}));
  two.sinks(rule, 1, got);
  EXPECT_EQ(got, (std::vector<int32_t>{3}));
  EXPECT_NEAR(one.mean(2), 0.8, 1e-6);
  EXPECT_EQ(one.queries(2), 4);
  // alpha / tokens: 0.8 exceeds 4 / 6, not 5 / 6.
  one.sinks({.alpha = 4}, 1, got);
  EXPECT_EQ(got, (std::vector<int32_t>{2}));
  one.sinks({.alpha = 5}, 1, got);
  EXPECT_TRUE(got.empty());
}

TEST(Act, AFileReadsBackAndIsBoundToItsModel) {
  const test::TemporaryFolder folder;
  const auto network = load_network(test::tiny_model(five_layers(), 21));
  ActFile file;
  file.weights = weights_hash({});
  file.layers = 5;
  file.heads = 4;
  file.rule = {0.08, 0, 2};
  file.chosen = {{{2, 1}, 0.1, 0.01}, {{3, 0}, 0.2, 0.02}, {{3, 3}, 0, 0.5}};
  file.items = {"xxh64:1"};
  file.seed = 7;
  file.scores = {{"test", "plain", 9, 0.5, 1.25}};
  const std::string path = folder / "act.json", spec = "act:file=" + path;
  write_act_file(path, file);
  const ActFile back = read_act_file(path);
  EXPECT_EQ(back.chosen.size(), 3U);
  EXPECT_EQ(back.chosen[1].id, (HeadId{3, 0}));
  EXPECT_EQ(back.items, file.items);
  EXPECT_EQ(back.scores[0].nll, 1.25);
  const auto ids = random_ids(22, 40, 96);
  EXPECT_TRUE(same_bits(run(*network, ids, kSpec, 30), run(*network, ids, spec, 30)));
  const auto refused = [&](const std::string& words) {
    write_act_file(path, file);
    try {
      network->new_past(spec);
      ADD_FAILURE() << words;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  };
  file.weights = "xxh64:2";
  refused("another model");
  file.weights = weights_hash({});
  file.layers = 6;
  refused("another model");
  file.layers = 5;
  file.chosen.back().id.head = 4;
  refused("3.4");
  file.chosen.back().id = {2, 1};
  refused("order");
  file.chosen.pop_back();
  file.beta = 1.5;
  refused("beta");
  file.beta = 0.4;
  EXPECT_THROW(make_guest<ContextPolicy>(spec + ",beta=0.3"), Error);
  for (const char* text :
       {"", "{", "[]", "{\"tessera_act\":1}", "{\"tessera_act\":2}", "{\"tessera_act\":1e300}"}) {
    folder.write("bad.json", text);
    EXPECT_THROW(read_act_file(folder / "bad.json"), Error) << text;
  }
}

TEST(Act, RefusesWhatCannotBe) {
  for (const char* spec :
       {"act:heads=", "act:heads=3", "act:heads=3.", "act:heads=3.1+", "act:heads=3.1+3.1",
        "act:heads=-1.0", "act:heads=3.1;4.1", "act:heads=99999999999999999999.0", "act:tau=0",
        "act:tau=1", "act:beta=1.1", "act:alpha=-1", "act:tau=0.2,alpha=5",
        "act:file=/none/here"}) {
    EXPECT_THROW(make_guest<ContextPolicy>(spec), Error) << spec;
  }
  EXPECT_EQ(heads_text(parse_heads("12.8+3.0")), "3.0+12.8");
  const auto network = load_network(test::tiny_model(five_layers(), 23));
  for (const char* spec :
       {"act:heads=1.0", "act:heads=4.0", "act:heads=5.0,any_layer=on", "act:heads=2.4"}) {
    EXPECT_THROW(network->new_past(spec), Error) << spec;
  }
  EXPECT_NO_THROW(network->new_past("act:heads=0.0+4.3,any_layer=on"));
}

}  // namespace
}  // namespace tessera
