#include "tessera/decode/sample.h"

#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "tessera/base/guest.h"
#include "tessera/decode/generate.h"
#include "tests/decode/toy.h"

namespace tessera {
namespace {

// A setup over letters with everything else at its default.
SearchSetup setup_of(int letters, std::vector<TokenId> prompt) {
  SearchSetup setup;
  setup.tokenizer = toy::letters(letters);
  setup.vocabulary = letters;
  setup.prompt = std::move(prompt);
  setup.constraint = make_default_guest<Constraint>();
  setup.max_tokens = 100;
  return setup;
}

Branch branch_of(const SearchSetup& setup, const std::vector<TokenId>& ids) {
  Branch branch(setup, std::make_unique<toy::ListPast>(), 0);
  for (TokenId id : ids) branch.extend(setup, id);
  return branch;
}

// By hand: prompt a b, text c c d.
TEST(Penalties, AreWhatAHandComputes) {
  SearchSetup setup = setup_of(6, {0, 1});
  setup.logit_bias = {{5, 1.5}};
  Branch branch = branch_of(setup, {2, 2, 3});
  std::vector<float> row = {2, -2, 4, 1, 3, 0};
  {
    Scorer scorer(setup, {.repeat = 2});
    auto s = scorer.score(branch, row);
    EXPECT_EQ(std::vector<float>(s.begin(), s.end()), (std::vector<float>{1, -4, 2, 0.5, 3, 1.5}));
  }
  {
    Scorer scorer(setup, {.repeat = 2, .repeat_last = 1});
    auto s = scorer.score(branch, row);
    EXPECT_EQ(std::vector<float>(s.begin(), s.end()), (std::vector<float>{2, -2, 4, 0.5, 3, 1.5}));
  }
  {
    Scorer scorer(setup, {.presence = 0.5, .frequency = 0.25});
    auto s = scorer.score(branch, row);
    EXPECT_EQ(std::vector<float>(s.begin(), s.end()), (std::vector<float>{2, -2, 3, 0.25, 3, 1.5}));
  }
}

TEST(Penalties, NoNgramComesTwice) {
  SearchSetup setup = setup_of(4, {0, 1, 2, 0, 1});
  Branch branch = branch_of(setup, {});
  std::vector<float> row = {1, 1, 1, 1};
  Scorer three(setup, {.no_repeat_ngram = 3});
  auto s = three.score(branch, row);
  EXPECT_TRUE(std::isinf(s[2]));  // a b was followed by c
  EXPECT_EQ(s[0] + s[1] + s[3], 3);
  Scorer one(setup, {.no_repeat_ngram = 1});
  s = one.score(branch, row);
  EXPECT_TRUE(std::isinf(s[0]) && std::isinf(s[1]) && std::isinf(s[2]) && !std::isinf(s[3]));

  auto model = toy::markov(6, 1);
  auto out = generate(model, toy::letters(6), {0},
                      {.decode = "sample:no-repeat-ngram=2,temp=0", .max_tokens = 20});
  std::set<std::pair<TokenId, TokenId>> pairs;
  TokenId last = 0;
  for (TokenId id : out.best.ids) {
    EXPECT_TRUE(pairs.emplace(last, id).second);
    last = id;
  }
}

TEST(Sample, TopKOfAllAndTopPOfOneIsPlainSampling) {
  auto model = toy::markov(12, 3);
  auto run = [&](const std::string& decode) {
    return generate(model, toy::letters(12), {1}, {.decode = decode, .max_tokens = 200, .seed = 5})
        .best.ids;
  };
  EXPECT_EQ(run("sample:top-k=12,top-p=1"), run("sample"));
  EXPECT_NE(run("sample:top-k=2"), run("sample"));
}

TEST(Sample, TextsOfDifferentSeedsDiffer) {
  auto model = toy::markov(12, 3);
  auto run = [&](uint64_t seed) {
    return generate(model, toy::letters(12), {1},
                    {.decode = "sample", .max_tokens = 50, .seed = seed})
        .best.ids;
  };
  EXPECT_NE(run(1), run(2));
}

// Oracle: the whole path, draw by draw, against the model's own table: 100,000 tokens that follow
// the token 0 of a Markov table are distributed as its row says.
TEST(Sample, WholeTextsFollowTheModel) {
  auto model = toy::markov(5, 8, 3);
  std::vector<double> seen(5);
  double total = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    TokenId last = 0;
    for (TokenId id : generate(model, toy::letters(5), {0},
                               {.decode = "sample", .max_tokens = 100, .seed = seed})
                          .best.ids) {
      if (last == 0) {
        ++seen[static_cast<size_t>(id)];
        ++total;
      }
      last = id;
    }
  }
  ASSERT_GT(total, 5000);
  toy::ListPast past;
  std::vector<float> row(5);
  CausalModel::Item item{.past = &past, .ids = {}, .parents = {}, .logits = row, .wanted = 1};
  std::vector<TokenId> zero = {0};
  item.ids = zero;
  model.forward({&item, 1});
  double lse = log_sum_exp(row), chi = 0;
  for (size_t i = 0; i < 5; ++i) {
    double mean = std::exp(row[i] - lse) * total;
    chi += (seen[i] - mean) * (seen[i] - mean) / mean;
  }
  EXPECT_LT(chi, 33.4);  // 99.9999 % with 4 degrees of freedom
}

// Law of the method: the mean surprise, measured among what was kept, comes to tau.
TEST(Sample, MirostatHoldsTheSurpriseNearTau) {
  auto model = toy::FunctionModel(400, [](const std::vector<TokenId>& ids) {
    std::vector<float> row(400);
    for (size_t i = 0; i < row.size(); ++i) {
      row[i] = -1.1F * std::log(static_cast<float>(1 + (i + 7 * ids.size()) % 400));
    }
    return row;
  });
  std::vector<std::string> words(400, "x");
  auto tokenizer = std::make_shared<toy::Words>(words);
  for (double tau : {2.0, 4.0}) {
    GenerateOptions options{.decode = "sample:mirostat=on,tau=" + std::to_string(tau),
                            .max_tokens = 4000,
                            .seed = 3,
                            .top_logprobs = 0};
    auto out = generate(model, tokenizer, {0}, options);
    double bits = 0;
    for (const Step& step : out.best.steps) bits -= step.logprob / std::log(2.0);
    double mean = bits / static_cast<double>(out.best.steps.size());
    // The model's own surprise is at least the one among the kept, and higher by what was cut.
    EXPECT_GT(mean, tau * 0.9);
    EXPECT_LT(mean, tau + 1.5);
  }
}

}  // namespace
}  // namespace tessera
