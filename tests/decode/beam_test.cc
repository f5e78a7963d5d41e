#include "tessera/decode/beam.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "tessera/base/guest.h"
#include "tessera/decode/generate.h"
#include "tests/decode/toy.h"

namespace tessera {
namespace {

struct Text {
  std::vector<TokenId> ids;
  double score;
};

// Every text of at most `steps` tokens, with its log-probability.
void enumerate(toy::FunctionModel& model, TokenId end, size_t steps, Text so_far,
               const std::vector<TokenId>& prompt, std::vector<Text>& out) {
  if (so_far.ids.size() == steps || (!so_far.ids.empty() && so_far.ids.back() == end)) {
    out.push_back(so_far);
    return;
  }
  std::vector<TokenId> ids = prompt;
  ids.insert(ids.end(), so_far.ids.begin(), so_far.ids.end());
  toy::ListPast past;
  std::vector<float> row(static_cast<size_t>(model.vocabulary_size()));
  CausalModel::Item item{.past = &past, .ids = ids, .parents = {}, .logits = row, .wanted = 1};
  model.forward({&item, 1});
  double total = log_sum_exp(row);
  for (size_t i = 0; i < row.size(); ++i) {
    Text next = so_far;
    next.ids.push_back(static_cast<TokenId>(i));
    next.score += row[i] - total;
    enumerate(model, end, steps, next, prompt, out);
  }
}

// Oracle: enumeration of all texts of three steps. The beams hold every text.
TEST(Beam, WideBeamsFindWhatEnumerationFinds) {
  for (int seed = 0; seed < 30; ++seed) {
    for (double penalty : {0.0, 1.0, -0.5}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + " penalty " + std::to_string(penalty));
      auto model = toy::clocked(5, seed, 3);
      std::vector<Text> all;
      enumerate(model, 4, 3, {{}, 0}, {2}, all);
      auto rank = [&](const Text& t) {
        return t.score / std::pow(static_cast<double>(t.ids.size()), penalty);
      };
      std::stable_sort(all.begin(), all.end(),
                       [&](const Text& a, const Text& b) { return rank(a) > rank(b); });
      // Wide enough that no text, ended or open, is ever dropped.
      std::string spec = "beam:beams=200,n-best=4,length-penalty=" + std::to_string(penalty);
      for (const char* until : {"sure", "all"}) {
        auto out = generate(model, toy::letters(5), {2},
                            {.decode = spec + ",until=" + until, .max_tokens = 3, .stop_ids = {4}});
        ASSERT_EQ(out.others.size(), 3u);
        EXPECT_EQ(out.best.ids, all[0].ids);
        EXPECT_NEAR(out.best.score, all[0].score, 1e-9);
        for (size_t i = 0; i < 3; ++i) EXPECT_EQ(out.others[i].ids, all[i + 1].ids) << i;
      }
    }
  }
}

// Law: stopping when nothing can win any more does not change what wins.
TEST(Beam, StoppingWhenSureGivesWhatGoingOnGives) {
  for (int seed = 0; seed < 40; ++seed) {
    auto model = toy::markov(8, seed, 3);
    auto run = [&](const std::string& until) {
      return generate(model, toy::letters(8), {1},
                      {.decode = "beam:beams=3,until=" + until, .max_tokens = 12, .stop_ids = {7}});
    };
    EXPECT_EQ(run("sure").best.ids, run("all").best.ids) << seed;
  }
}

TEST(Beam, MoreTextsThanBeamsAreRefused) {
  try {
    make_guest<Strategy>("beam:beams=2,n-best=3");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("n-best"), std::string::npos);
  }
}

// Oracle: each of the allowed texts scored by the table, the best one chosen.
TEST(Beam, UnderAConstraintFindsTheBestAllowedText) {
  auto model = toy::markov(6, 4, 3);
  auto out = generate(model, toy::letters(6), {0},
                      {.decode = "beam:beams=4,n-best=3,length-penalty=0,until=all",
                       .constrain = "choice:texts=abc|ba|cc",
                       .max_tokens = 10,
                       .stop_ids = {5}});
  std::vector<std::string> texts = {out.best.text};
  for (const auto& other : out.others) texts.push_back(other.text);
  std::sort(texts.begin(), texts.end());
  EXPECT_EQ(texts, (std::vector<std::string>{"abc", "ba", "cc"}));
  EXPECT_GE(out.best.score, out.others[0].score);
  EXPECT_EQ(out.best.finish, Finish::constraint);
}

TEST(Beam, StopStringsEndABranch) {
  auto model = toy::markov(4, 2);
  auto out = generate(model, toy::letters(4), {0},
                      {.decode = "beam:beams=3,n-best=3,until=all",
                       .max_tokens = 8,
                       .stop = {"ab", "ca", "bb", "cc"}});
  for (const auto& text : {out.best.text, out.others[0].text}) {
    for (const char* stop : {"ab", "ca", "bb", "cc"}) EXPECT_EQ(text.find(stop), std::string::npos);
  }
}

}  // namespace
}  // namespace tessera
