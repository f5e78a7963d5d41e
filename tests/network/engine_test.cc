#include "tessera/network/engine.h"

#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/base/pool.h"
#include "tessera/network/language_model.h"
#include "tests/base/same_bits.h"
#include "tests/network/tiny_model.h"
#include "tests/network/variants.h"

namespace tessera {
namespace {

using test::naive_forward;
using test::random_ids;
using test::run_pieces;
using test::same_bits;
using test::tiny_description;
using test::tiny_model;

using test::described;
using test::Variant;
using test::variants;

class Threads {
 public:
  explicit Threads(int64_t n) { Pool::instance().set_threads(n); }
  ~Threads() { Pool::instance().set_threads(1); }
};

TEST(EmbedTexts, AnotherTextInThePassChangesNothing) {
  for (const Variant& v : variants()) {
    if (v.name != "encoder" && v.name != "llama") continue;
    const ModelFiles model = tiny_model(described(v), 12);
    const auto network = load_network(model);
    std::vector<std::vector<int32_t>> texts;
    for (const int64_t n : {7, 1, 30, 13}) {
      texts.push_back(random_ids(static_cast<uint64_t>(n), n, model.description.vocabulary));
    }
    const auto together = embed_texts(*network, texts);
    ASSERT_EQ(together.size(), texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto alone = embed_texts(*network, {&texts[i], 1});
      EXPECT_TRUE(same_bits(together[i], alone[0])) << v.name << i;
    }
    texts.emplace_back();
    EXPECT_THROW(embed_texts(*network, texts), Error);
    EXPECT_TRUE(embed_texts(*network, {}).empty());
  }
}

// Oracle: the same graph in loops over doubles, all positions at once.
TEST(Engine, ComputesWhatPlainLoopsCompute) {
  for (const Variant& v : variants()) {
    SCOPED_TRACE(v.name);
    const ModelFiles model = tiny_model(described(v), 11);
    const auto ids = random_ids(3, 40, model.description.vocabulary);
    const auto want = naive_forward(model, ids);
    auto network = load_network(model);
    const auto got = run_pieces(*network, ids, {});
    for (size_t t = 0; t < ids.size(); ++t) {
      for (size_t i = 0; i < want[t].size(); ++i) {
        ASSERT_NEAR(got[t * want[t].size() + i], want[t][i],
                    2e-4 * std::max(1.0, std::fabs(want[t][i])))
            << t << " " << i;
      }
    }
  }
}

// What goes into quantised matrices is rounded itself; the errors average out over a row.
TEST(Engine, QuantisedWeightsGiveNearlyTheirValuesResult) {
  for (DType type :
       {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q8_0, DType::bf16, DType::f16}) {
    SCOPED_TRACE(layout_of(type).name);
    const ModelFiles model = tiny_model(tiny_description(), 12, type);
    const auto ids = random_ids(4, 30, model.description.vocabulary);
    const auto want = naive_forward(model, ids);
    for (ActivationBits kind :
         {ActivationBits::mixed, ActivationBits::eight, ActivationBits::fifteen}) {
      EngineOptions options;
      options.cache = CacheChoice::f32;
      options.activations = kind;
      const auto got = run_pieces(*load_network(model, options), ids, {});
      double error = 0, size = 0;
      for (size_t t = 0; t < ids.size(); ++t) {
        for (size_t i = 0; i < want[t].size(); ++i) {
          error += std::pow(got[t * want[t].size() + i] - want[t][i], 2);
          size += want[t][i] * want[t][i];
        }
      }
      const bool coarse = kind != ActivationBits::fifteen && takes_quantised(packing_of(type));
      EXPECT_LT(std::sqrt(error / size), coarse ? 0.05 : 5e-4);
    }
  }
}

TEST(Engine, AnySplitBetweenPrefillAndDecodeGivesTheSameBits) {
  for (const Variant& v : variants()) {
    ModelDescription d = described(v);
    if (!d.decoder) continue;
    for (DType type : {DType::f32, DType::q8_0}) {
      if (type == DType::q8_0 && (d.width % 32 || d.ffn_width % 32 || d.embedding_width % 32 ||
                                  d.heads * d.head_width % 32))
        continue;
      SCOPED_TRACE(v.name);
      auto network = load_network(tiny_model(d, 13, type));
      const auto ids = random_ids(5, 90, d.vocabulary);
      const auto whole = run_pieces(*network, ids, {});
      for (const std::vector<int64_t>& cut : {std::vector<int64_t>(90, 1),
                                              {1},
                                              {13, 1, 1, 40},
                                              {64, 1},
                                              {89},
                                              std::vector<int64_t>(30, 3)}) {
        const auto pieces = run_pieces(*network, ids, cut);
        ASSERT_TRUE(same_bits(whole, pieces)) << cut.size() << " " << cut[0];
      }
    }
  }
}

// Oracle: fp32. Keys and values keep 24, 11, 8 and 7 bits of a number or of the largest beside it.
TEST(Engine, EveryCacheTypeGivesTheSameBitsForAnySplitAndNearlyTheResultOfFp32) {
  const ModelFiles model = tiny_model(tiny_description(), 21);
  const auto ids = random_ids(8, 150, model.description.vocabulary);
  std::vector<float> exact;
  for (const auto& [cache, error] : {std::pair(CacheChoice::f32, 0.0),
                                     {CacheChoice::f16, 2e-3},
                                     {CacheChoice::bf16, 2e-2},
                                     {CacheChoice::q8, 2e-2}}) {
    EngineOptions options;
    options.cache = cache;
    auto network = load_network(model, options);
    const auto whole = run_pieces(*network, ids, {});
    if (exact.empty()) exact = whole;
    EXPECT_TRUE(same_bits(whole, run_pieces(*network, ids, std::vector<int64_t>(150, 1))));
    EXPECT_TRUE(same_bits(whole, run_pieces(*network, ids, {63, 2, 1, 60})));
    double off = 0, size = 0;
    for (size_t i = 0; i < whole.size(); ++i) {
      off += std::pow(whole[i] - exact[i], 2);
      size += std::pow(exact[i], 2);
    }
    EXPECT_LE(std::sqrt(off / size), error) << static_cast<int>(cache);
  }
}

TEST(Engine, AnyNumberOfThreadsGivesTheSameBits) {
  for (const Variant& v : variants()) {
    SCOPED_TRACE(v.name);
    const ModelFiles model = tiny_model(described(v), 14);
    const auto ids = random_ids(6, 70, model.description.vocabulary);
    auto network = load_network(model);
    const auto one = run_pieces(*network, ids, {60});
    for (int64_t n : {2, 3, 5}) {
      Threads threads(n);
      EXPECT_TRUE(same_bits(one, run_pieces(*network, ids, {60}))) << n;
      EXPECT_TRUE(same_bits(one, run_pieces(*load_network(model), ids, {60}))) << n;
    }
  }
}

TEST(Engine, ChunksOfAnySizeGiveTheSameBits) {
  const ModelFiles model = tiny_model(tiny_description(), 15, DType::q4_1);
  const auto ids = random_ids(7, 300, 96);
  const auto whole = run_pieces(*load_network(model), ids, {});
  for (int64_t rows : {12, 24, 100}) {
    EngineOptions options;
    options.chunk_rows = rows;
    EXPECT_TRUE(same_bits(whole, run_pieces(*load_network(model, options), ids, {}))) << rows;
  }
}

// Several sequences in one pass, of different lengths and with different pasts.
TEST(Engine, ABatchEqualsItsSequencesAlone) {
  for (const char* policy : {"full", "streaming:sinks=2,local=9"}) {
    const ModelFiles model = tiny_model(tiny_description(), 16, DType::q8_0);
    auto network = load_network(model);
    const ModelDescription& d = model.description;
    std::vector<std::vector<int32_t>> ids;
    std::vector<std::vector<float>> alone;
    for (int64_t n : {5, 31, 1, 17}) {
      ids.push_back(random_ids(static_cast<uint64_t>(n), n + 6, d.vocabulary));
      alone.push_back(run_pieces(*network, ids.back(), {n}, policy));
    }
    std::vector<std::unique_ptr<Past>> pasts;
    std::vector<std::vector<float>> vectors, logits;
    for (size_t i = 0; i < ids.size(); ++i) {
      pasts.push_back(network->new_past(policy));
      vectors.emplace_back(ids[i].size() * static_cast<size_t>(d.width));
      logits.emplace_back(ids[i].size() * static_cast<size_t>(d.vocabulary));
      network->embed(ids[i], vectors[i]);
    }
    // All prompts in one pass, then one token of each at a time.
    std::vector<int64_t> done(ids.size(), 0);
    for (int step = 0; step < 7; ++step) {
      std::vector<Segment> batch;
      for (size_t i = 0; i < ids.size(); ++i) {
        Segment s;
        s.past = pasts[i].get();
        s.count = s.wanted = step == 0 ? static_cast<int64_t>(ids[i].size()) - 6 : 1;
        s.vectors = std::span(vectors[i])
                        .subspan(static_cast<size_t>(done[i] * d.width),
                                 static_cast<size_t>(s.count * d.width));
        s.logits = std::span(logits[i]).subspan(static_cast<size_t>(done[i] * d.vocabulary),
                                                static_cast<size_t>(s.count * d.vocabulary));
        done[i] += s.count;
        batch.push_back(s);
      }
      network->forward(batch);
    }
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_TRUE(same_bits(alone[i], logits[i])) << policy << i;
    }
  }
}

std::vector<float> step(Network& network, Past& past, int32_t id) {
  const ModelDescription& d = network.description();
  std::vector<float> vector(static_cast<size_t>(d.embedding_width)),
      logits(static_cast<size_t>(d.vocabulary));
  network.embed({&id, 1}, vector);
  Segment s;
  s.past = &past;
  s.vectors = vector;
  s.count = s.wanted = 1;
  s.logits = logits;
  network.forward({&s, 1});
  return logits;
}

TEST(Past, ForksAndTruncationsGoOnAsIfNothingHadBeenThere) {
  auto network = load_network(tiny_model(tiny_description(), 17));
  const auto ids = random_ids(8, 150, 96);
  auto past = network->new_past();
  for (size_t i = 0; i < 100; ++i) step(*network, *past, ids[i]);
  auto fork = past->fork();
  const auto straight = step(*network, *past, ids[100]);
  // Each side writes into what was a shared block.
  for (size_t i = 120; i < 150; ++i) step(*network, *fork, ids[i]);
  const auto after = step(*network, *past, ids[101]);
  fork->truncate(100);
  EXPECT_EQ(fork->length(), 100);
  EXPECT_EQ(step(*network, *fork, ids[100]), straight);
  EXPECT_EQ(step(*network, *fork, ids[101]), after);
  past->truncate(63);
  for (size_t i = 63; i < 100; ++i) step(*network, *past, ids[i]);
  EXPECT_EQ(step(*network, *past, ids[100]), straight);
}

// Each node of a tree must be what a past that took its path would give.
TEST(Past, ATreeOfAlternativesEqualsItsPaths) {
  auto network = load_network(tiny_model(tiny_description(), 18));
  const ModelDescription& d = network->description();
  const auto ids = random_ids(9, 80, 96), nodes = random_ids(10, 7, 96);
  const std::vector<int32_t> parents = {-1, 0, 0, 1, -1, 4, 3};
  auto past = network->new_past();
  for (int32_t id : ids) step(*network, *past, id);
  std::vector<float> vectors(nodes.size() * static_cast<size_t>(d.width)),
      logits(nodes.size() * static_cast<size_t>(d.vocabulary));
  network->embed(nodes, vectors);
  Segment s;
  s.past = past.get();
  s.vectors = vectors;
  s.count = s.wanted = 7;
  s.parents = parents;
  s.logits = logits;
  network->forward({&s, 1});
  EXPECT_EQ(past->length(), 80);
  for (size_t node = 0; node < nodes.size(); ++node) {
    std::vector<int32_t> path;
    for (auto n = static_cast<int32_t>(node); n >= 0; n = parents[static_cast<size_t>(n)])
      path.insert(path.begin(), nodes[static_cast<size_t>(n)]);
    auto fork = past->fork();
    std::vector<float> want;
    for (int32_t id : path) want = step(*network, *fork, id);
    for (size_t i = 0; i < want.size(); ++i)
      EXPECT_NEAR(logits[node * want.size() + i], want[i], 1e-5) << node;
  }
}

TEST(Streaming, IsFullAttentionWhileNothingHasLeft) {
  auto network = load_network(tiny_model(tiny_description(), 19));
  const auto ids = random_ids(11, 60, 96);
  const auto full = run_pieces(*network, ids, {30});
  EXPECT_EQ(full, run_pieces(*network, ids, {30}, "streaming:local=60"));
  EXPECT_EQ(full, run_pieces(*network, ids, {30}, "streaming:sinks=4,local=56"));
  EXPECT_NE(full, run_pieces(*network, ids, {30}, "streaming:sinks=4,local=55"));
}

// Oracle: the kept tokens alone, as a text of their own: with slot positions a query cannot tell
// the difference in the first layer, so a network of one layer gives its logits.
TEST(Streaming, SeesTheKeptTokensAsATextOfTheirOwn) {
  ModelDescription d = tiny_description();
  d.layers = 1;
  d.layer.resize(1);
  auto network = load_network(tiny_model(d, 20));
  const auto ids = random_ids(12, 50, 96);
  const auto got = run_pieces(*network, ids, {}, "streaming:sinks=3,local=8");
  for (size_t t = 11; t < ids.size(); ++t) {
    std::vector<int32_t> kept(ids.begin(), ids.begin() + 3);
    kept.insert(kept.end(), ids.begin() + static_cast<long>(t) - 7,
                ids.begin() + static_cast<long>(t) + 1);
    const auto want = run_pieces(*network, kept, {});
    for (size_t i = 0; i < 96; ++i) ASSERT_NEAR(got[t * 96 + i], want[10 * 96 + i], 1e-4) << t;
  }
}

TEST(Streaming, FreesWhatItForgets) {
  auto network = load_network(tiny_model(tiny_description(), 21));
  const int64_t block = memory_of(*network).cache_bytes_per_token * 64;
  auto past = network->new_past("streaming:sinks=4,local=64");
  auto full = network->new_past();
  const auto ids = random_ids(13, 500, 96);
  for (int32_t id : ids) {
    step(*network, *past, id);
    step(*network, *full, id);
    EXPECT_LE(past->counters().bytes_resident, 3 * block);
  }
  EXPECT_EQ(full->counters().bytes_resident, 8 * block);
  EXPECT_EQ(full->counters().keys_read, full->counters().keys_possible);
  EXPECT_EQ(full->counters().full_steps, full->counters().steps);
  // Per query of a layer and KV head: itself alone up to 68 keys, then always 68.
  int64_t read = 0;
  for (int64_t t = 0; t < 500; ++t) read += std::min<int64_t>(t + 1, 68);
  EXPECT_EQ(past->counters().keys_read, read * 2 * 2);
  EXPECT_EQ(past->counters().entries_resident, (4 + 63) * 4);
  EXPECT_FALSE(past->can_truncate());
  EXPECT_THROW(past->truncate(3), Error);
}

TEST(Engine, RefusesWhatItCannotRepresent) {
  ModelDescription d = tiny_description();
  d.position = PositionKind::learned;
  d.position_rows = 20;
  d.position_offset = 2;
  auto network = load_network(tiny_model(d, 22));
  EXPECT_NO_THROW(run_pieces(*network, random_ids(1, 18, 96), {}));
  EXPECT_THROW(run_pieces(*network, random_ids(1, 19, 96), {}), Error);
  std::vector<float> out(64);
  const int32_t outside = 96;
  EXPECT_THROW(network->embed({&outside, 1}, out), Error);
  EXPECT_THROW(network->new_past("streaming:sink=3"), Error);
}

// Oracle: the plain loops with the long factors.
TEST(Engine, LongropeServesItsOriginalWindowUnlessAskedForMore) {
  ModelFiles model = tiny_model(tiny_description(), 21);
  RopeScaling& scaling = model.description.rope_scaling;
  scaling.kind = ScalingKind::longrope;
  scaling.original_context = 32;
  scaling.short_factors = {1, 1, 1, 1, 1.1, 1.1, 1.2, 1.2};
  scaling.long_factors = {1, 1.5, 2, 2.5, 3, 4, 5, 6};
  const auto plain = load_network(model);
  EXPECT_EQ(plain->description().context, 32);
  EXPECT_EQ(plain->trained_context(), 512);
  EngineOptions options;
  options.context = 100;
  const auto longer = load_network(model, options);
  EXPECT_EQ(longer->description().context, 100);
  options.context = 513;
  EXPECT_THROW(load_network(model, options), Error);
  const auto ids = random_ids(22, 40, 96);
  const auto got = run_pieces(*longer, ids, {});
  scaling.long_texts = true;
  const auto want = naive_forward(model, ids);
  for (size_t t = 0; t < ids.size(); ++t) {
    for (size_t i = 0; i < want[t].size(); ++i)
      ASSERT_NEAR(got[t * want[t].size() + i], want[t][i],
                  2e-4 * std::max(1.0, std::fabs(want[t][i])));
  }
}

}  // namespace
}  // namespace tessera
