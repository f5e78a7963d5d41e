// Oracle: the method as its source says it, over attention weights of a forward pass in loops over
// doubles, with everything of the document in memory.
#include "tessera/use/infini_retri.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/use/question_attention.h"
#include "tests/base/rounds.h"
#include "tests/network/variants.h"
#include "tests/use/read_task.h"

namespace tessera {
namespace {

using test::byte_ids;
using test::described;
using test::made_up_document;
using test::naive_attention;
using test::random_ids;
using test::read_task;
using test::tiny_description;
using test::tiny_model;

std::vector<double> naive_scores(const ModelFiles& model, const std::vector<int32_t>& ids,
                                 const PromptPlaces& at, int64_t layer, int64_t power,
                                 std::vector<double>& weights) {
  const auto heads = naive_attention(model, ids, layer);
  const auto n = static_cast<int64_t>(ids.size());
  auto attention = [&](int64_t i, int64_t j) {
    double sum = 0;
    for (const auto& head : heads) sum += head[static_cast<size_t>(i)][static_cast<size_t>(j)];
    return sum;
  };
  if (weights.empty()) {
    for (int64_t i = at.question_begin; i < n; ++i) {
      double sum = 0;
      for (int64_t j = at.question_begin; j < at.question_end; ++j) sum += attention(i, j);
      weights.push_back(sum);
    }
  }
  std::vector<double> out;
  for (int64_t j = at.context_begin; j < at.context_end; ++j) {
    double sum = 0;
    for (int64_t i = at.question_begin; i < n; ++i) {
      double w = 1;
      for (int64_t k = 0; k < power; ++k) w *= weights[static_cast<size_t>(i - at.question_begin)];
      sum += w * attention(i, j);
    }
    out.push_back(sum);
  }
  return out;
}

TEST(QuestionAttention, IsTheSumOverAllWeights) {
  const ModelFiles model = tiny_model(tiny_description(), 21);
  const auto network = load_network(model);
  const auto ids = random_ids(5, 300, model.description.vocabulary);
  const PromptPlaces at{3, 270, 272, 295};
  for (int64_t layer : {0, 1}) {
    for (int64_t power : {0, 1, 2}) {
      std::vector<double> weights, want_weights;
      const auto got = question_attention(*network, ids, at, layer, power, weights);
      const auto want = naive_scores(model, ids, at, layer, power, want_weights);
      ASSERT_EQ(got.size(), want.size());
      ASSERT_EQ(weights.size(), want_weights.size());
      // Sums of fp32 products against doubles.
      for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-4 * (1 + want[i]));
      for (size_t i = 0; i < weights.size(); ++i) ASSERT_NEAR(weights[i], want_weights[i], 1e-4);
    }
  }
}

// Every kind of network whose attention can be shown; the others say that it cannot.
TEST(QuestionAttention, HoldsForEveryArchitectureOrIsRefused) {
  int64_t shown = 0;
  for (const test::Variant& v : test::variants()) {
    SCOPED_TRACE(v.name);
    const ModelFiles model = tiny_model(described(v), 11);
    const ModelDescription& d = model.description;
    const auto network = load_network(model);
    const auto ids = random_ids(3, 40, d.vocabulary);
    const int64_t layer = d.layers - 1;
    const PromptPlaces at{2, 30, 30, 36};
    std::vector<double> weights, want_weights;
    const bool plain = d.decoder && d.position != PositionKind::alibi &&
                       d.layer[static_cast<size_t>(layer)].window == 0;
    if (!plain) {
      EXPECT_THROW(question_attention(*network, ids, at, layer, 1, weights), Error);
      continue;
    }
    ++shown;
    const auto got = question_attention(*network, ids, at, layer, 1, weights);
    const auto want = naive_scores(model, ids, at, layer, 1, want_weights);
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-3 * (1 + want[i])) << i;
  }
  EXPECT_GE(shown, 3);
}

// As a convolution with ones gives it.
TEST(QuestionAttention, NeighboursAreSummedWithOneMoreOnTheLeft) {
  std::vector<float> out;
  sum_neighbours({1, 10, 100, 1000}, 1, out);
  EXPECT_EQ(out, (std::vector<float>{1, 10, 100, 1000}));
  sum_neighbours({1, 10, 100, 1000}, 2, out);
  EXPECT_EQ(out, (std::vector<float>{1, 11, 110, 1100}));
  sum_neighbours({1, 10, 100, 1000}, 3, out);
  EXPECT_EQ(out, (std::vector<float>{11, 111, 1110, 1100}));
  sum_neighbours({1, 10}, 8, out);
  EXPECT_EQ(out, (std::vector<float>{11, 11}));
}

struct Kept {
  int64_t begin, end;
  double score;
};

// The whole method, with windows and cache as lists of sentences.
std::vector<Kept> naive_read(const ModelFiles& model, const ReadTask& task,
                             const InfiniRetriOptions& o, int64_t layer) {
  std::vector<std::pair<int64_t, int64_t>> sentences;
  SentenceCutter cutter(task.document);
  for (SentenceCutter::Sentence s; cutter.next(s);)
    sentences.emplace_back(static_cast<int64_t>(s.begin), static_cast<int64_t>(s.end));
  std::vector<Kept> cache;
  std::vector<double> weights;
  for (size_t next = 0; next < sentences.size();) {
    int64_t fresh = 0;
    while (next < sentences.size()) {
      const auto [begin, end] = sentences[next];
      if (fresh + end - begin > o.window) break;
      fresh += end - begin;
      cache.push_back({begin, end, 0});
      ++next;
    }
    std::vector<int32_t> ids = task.before;
    std::vector<size_t> sentence_of;
    for (size_t s = 0; s < cache.size(); ++s) {
      for (const int32_t id :
           byte_ids(task.document.substr(static_cast<size_t>(cache[s].begin),
                                         static_cast<size_t>(cache[s].end - cache[s].begin)))) {
        ids.push_back(id);
        sentence_of.push_back(s);
      }
    }
    PromptPlaces at;
    at.context_begin = static_cast<int64_t>(task.before.size());
    at.context_end = static_cast<int64_t>(ids.size());
    at.question_begin = at.context_end + task.question_begin;
    at.question_end = at.context_end + task.question_end;
    ids.insert(ids.end(), task.after.begin(), task.after.end());
    const auto sums = naive_scores(model, ids, at, layer, o.power, weights);
    const auto n = static_cast<int64_t>(sums.size());
    std::vector<double> scores(sums.size());
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t i = j - o.phrase / 2; i <= j + (o.phrase - 1) / 2; ++i) {
        if (i >= 0 && i < n) scores[static_cast<size_t>(j)] += sums[static_cast<size_t>(i)];
      }
    }
    std::vector<size_t> order;
    for (auto j = static_cast<size_t>(o.sinks); j < scores.size(); ++j) order.push_back(j);
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return scores[a] > scores[b]; });
    order.resize(std::min(order.size(), static_cast<size_t>(o.topk)));
    std::vector<bool> keeps(cache.size());
    for (const size_t j : order) keeps[sentence_of[j]] = true;
    std::vector<Kept> kept;
    for (size_t s = 0; s < cache.size(); ++s) {
      if (!keeps[s]) continue;
      Kept k = cache[s];
      k.score = -1e300;
      for (auto j = static_cast<size_t>(o.sinks); j < scores.size(); ++j) {
        if (sentence_of[j] == s) k.score = std::max(k.score, scores[j]);
      }
      kept.push_back(k);
    }
    // The worst go until the budget holds.
    auto total = [&] {
      int64_t sum = 0;
      for (const Kept& k : kept) sum += k.end - k.begin;
      return sum;
    };
    while (total() > o.limits.budget) {
      kept.erase(std::min_element(kept.begin(), kept.end(),
                                  [](const Kept& a, const Kept& b) { return a.score < b.score; }));
    }
    cache = kept;
  }
  return cache;
}

TEST(InfiniRetri, KeepsWhatThePlainMethodKeeps) {
  const ModelFiles model = tiny_model(tiny_description(), 31);
  const auto network = load_network(model);
  const std::string document = made_up_document(8, 28);
  const ReadTask task = read_task(document, "where is abc", network.get());
  InfiniRetriOptions base;
  base.limits = {.budget = 120, .always = true};
  base.window = 200;
  base.topk = 12;
  std::vector<InfiniRetriOptions> all(5, base);
  all[1].layer = "0";
  all[2].phrase = 1;
  all[2].power = 0;
  all[3].topk = 3;
  all[3].sinks = 5;
  all[4].topk = 60;
  for (size_t i = 0; i < test::rounds(all.size()); ++i) {
    SCOPED_TRACE(i);
    const InfiniRetriOptions& o = all[i];
    const ReadResult got = infini_retri(o)->read(task);
    const auto want = naive_read(model, task, o, o.layer == "0" ? 0 : 1);
    ASSERT_EQ(got.kept.size(), want.size());
    for (size_t k = 0; k < want.size(); ++k) {
      EXPECT_EQ(got.kept[k].begin, want[k].begin);
      EXPECT_EQ(got.kept[k].end, want[k].end);
      EXPECT_NEAR(got.kept[k].score, want[k].score, 1e-3 * (1 + want[k].score));
    }
    EXPECT_EQ(got.sentences, 28);
    EXPECT_GE(got.network_passes, 4);
  }
}

// Nothing is dropped, and the prompt is that of the whole document.
TEST(InfiniRetri, WithRoomForEverythingKeepsEverything) {
  const auto network = load_network(tiny_model(tiny_description(), 31));
  const std::string document = made_up_document(8, 6);
  const ReadTask task = read_task(document, "where is abc", network.get());
  InfiniRetriOptions o;
  o.limits = {.budget = 220, .always = true};
  o.window = 100;
  o.topk = 1000;
  const ReadResult r = infini_retri(o)->read(task);
  std::vector<int32_t> ids;
  for (const Passage& p : r.kept) ids.insert(ids.end(), p.ids.begin(), p.ids.end());
  EXPECT_EQ(ids, byte_ids(document));
  EXPECT_GT(r.network_passes, 1);
}

TEST(InfiniRetri, SaysWhatDoesNotGoTogether) {
  const auto network = load_network(tiny_model(tiny_description(), 31));
  const std::string document = made_up_document(8, 60);
  const ReadTask task = read_task(document, "where is abc", network.get());
  const auto refused = [&](const InfiniRetriOptions& o, const std::string& words) {
    try {
      infini_retri(o)->read(task);
      ADD_FAILURE() << "was read";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  };
  InfiniRetriOptions o;
  o.limits = {.budget = 120, .always = true};
  o.window = 400;
  refused(o, "make 536, and the model reads 480");
  o.window = 200;
  o.layer = "2";
  refused(o, "the model has 2 layers");
  o.layer = "first";
  refused(o, "layer=first");
  o.layer = "last";
  o.phrase = 300;
  refused(o, "phrase=300");
  // A layer that there is not is refused where a short document would not need one, too.
  o.phrase = 8;
  o.layer = "2";
  o.limits.always = false;
  const ReadTask brief = read_task("A dog. A cat.", "where is abc", network.get());
  EXPECT_THROW(infini_retri(o)->read(brief), Error);
  o.layer = "last";
  EXPECT_TRUE(infini_retri(o)->read(brief).whole);
}

}  // namespace
}  // namespace tessera
