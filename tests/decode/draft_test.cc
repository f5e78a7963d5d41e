// Oracle: the same request without guesses. Guesses may only change how many passes it takes.
#include <array>
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/decode/batch_engine.h"
#include "tessera/decode/candidates.h"
#include "tessera/decode/draft_model.h"
#include "tessera/decode/lookup.h"
#include "tessera/network/language_model.h"
#include "tests/base/guest_laws.h"
#include "tests/decode/toy.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

LanguageModel tiny(uint64_t seed, const std::string& policy = "full") {
  return {load_network(test::tiny_model(test::tiny_description(), seed)), policy};
}

GenerateOptions asking(const std::string& decode, const std::string& draft,
                       CausalModel* second = nullptr) {
  GenerateOptions o;
  o.decode = decode;
  o.draft = draft;
  o.draft_model = second;
  o.max_tokens = 40;
  o.stop_ids = {95};
  o.seed = 5;
  o.top_logprobs = 2;
  return o;
}

void expect_equal(const Generation& a, const Generation& b) {
  EXPECT_EQ(a.best.ids, b.best.ids);
  EXPECT_EQ(a.best.text, b.best.text);
  EXPECT_EQ(a.best.finish, b.best.finish);
  ASSERT_EQ(a.best.steps.size(), b.best.steps.size());
  for (size_t i = 0; i < a.best.steps.size(); ++i)
    EXPECT_EQ(a.best.steps[i].logprob, b.best.steps[i].logprob);
  ASSERT_TRUE(a.past && b.past);
  EXPECT_EQ(a.past->length(), b.past->length());
}

TEST(DraftLaws, EveryDrafterKeepsTheLawsOfGuests) { expect_guest_laws<Drafter>(); }

TEST(Draft, NoDrafterChangesATextWhateverTheStrategy) {
  LanguageModel model = tiny(7), second = tiny(7), other = tiny(8);
  for (const auto& guest : guests<Drafter>()) {
    for (const char* decode :
         {"greedy", "sample:temp=0.7", "sample:temp=2,repeat=1.5", "sample:mirostat=on,tau=3"}) {
      for (CausalModel* draft : {&second, &other}) {
        for (uint64_t prompt = 1; prompt <= 4; ++prompt) {
          SCOPED_TRACE(guest.entry.name + " " + decode);
          const auto ids = test::random_ids(prompt, 3 + static_cast<int64_t>(prompt) * 30, 95);
          const auto plain = generate(model, toy::letters(96), ids, asking(decode, "none"));
          const auto guessed =
              generate(model, toy::letters(96), ids, asking(decode, guest.entry.name, draft));
          expect_equal(guessed, plain);
        }
      }
    }
  }
}

TEST(Draft, GuessesAreCheckedInFewerPasses) {
  // A text that goes round in a circle of five.
  const auto circle = [](const std::vector<TokenId>& ids) {
    std::vector<float> row(8);
    row[static_cast<size_t>((ids.back() + 1) % 5)] = 9;
    return row;
  };
  toy::FunctionModel plain(8, circle), guessed(8, circle), twice(8, circle), second(8, circle);
  GenerateOptions o{.max_tokens = 50};
  const std::vector<TokenId> prompt = {0, 1, 2, 3, 4, 0, 1};
  const auto expected = generate(plain, toy::letters(8), prompt, o);
  EXPECT_EQ(plain.passes, 50);
  o.draft = "lookup:tokens=4";
  const auto a = generate(guessed, toy::letters(8), prompt, o);
  EXPECT_EQ(a.best.ids, expected.best.ids);
  EXPECT_EQ(guessed.passes, 11);  // one token, then five a pass, the last time four
  EXPECT_EQ(a.drafts.guessed, a.drafts.kept);
  o.draft = "draft-model:tokens=4";
  o.draft_model = &second;
  const auto b = generate(twice, toy::letters(8), prompt, o);
  EXPECT_EQ(b.best.ids, expected.best.ids);
  EXPECT_EQ(twice.passes, 11);
}

TEST(Draft, LookupTakesTheLongestAgreementAndOfEqualsTheLatest) {
  auto drafter = lookup({.tokens = 2, .longest = 3, .shortest = 2});
  drafter->attach(10, nullptr);
  const auto guess = [&](const std::vector<TokenId>& text, int64_t most = 9) {
    std::vector<TokenId> out;
    drafter->guess(text, most, out);
    return out;
  };
  using Ids = std::vector<TokenId>;
  EXPECT_EQ(guess({1, 2, 3, 7, 8, 9, 2, 3, 4, 5, 1, 2, 3}), (Ids{7, 8}));
  EXPECT_EQ(guess({2, 3, 7, 8, 2, 3, 4, 5, 2, 3}), (Ids{4, 5}));
  EXPECT_EQ(guess({2, 3, 4, 5, 2, 3}, 1), (Ids{4}));
  EXPECT_EQ(guess({3, 7, 3}), Ids{});     // one id is too little
  EXPECT_EQ(guess({5, 5, 5}), (Ids{5}));  // what follows is one id
  EXPECT_EQ(guess({1}), Ids{});
  EXPECT_EQ(guess({}), Ids{});
}

// The second token's distribution, given the first, against the softmax of the logits: chi-square.
TEST(Draft, SamplingKeepsTheDistributionOfTheModel) {
  auto model = toy::markov(8, 3), second = toy::markov(8, 4);
  std::map<TokenId, std::array<int64_t, 8>> counts;
  GenerateOptions o{.decode = "sample", .draft = "draft-model:tokens=3,sure=0", .max_tokens = 4};
  o.draft_model = &second;
  int64_t kept = 0;
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    o.seed = seed;
    const auto g = generate(model, toy::letters(8), {1}, o);
    kept += g.drafts.kept;
    for (size_t i = 1; i < g.best.ids.size(); ++i)
      ++counts[g.best.ids[i - 1]][static_cast<size_t>(g.best.ids[i])];
  }
  EXPECT_GT(kept, 500);
  for (const auto& [last, seen] : counts) {
    std::vector<float> row(8);
    auto past = model.new_past();
    const CausalModel::Item item{past.get(), std::span(&last, 1), {}, row, 1};
    model.forward({&item, 1});
    const double total = log_sum_exp(row);
    int64_t n = 0;
    for (const int64_t c : seen) n += c;
    double chi = 0;
    for (size_t i = 0; i < 8; ++i) {
      const double expected = static_cast<double>(n) * std::exp(row[i] - total);
      chi += (static_cast<double>(seen[i]) - expected) * (static_cast<double>(seen[i]) - expected) /
             expected;
    }
    // 7 degrees of freedom: exceeded once in 10,000 tables; there are 8, and the seeds are fixed.
    EXPECT_LT(chi, 29.9) << last;
  }
}

TEST(Draft, InABatchWithLittleMemoryTextsAreThoseOfEachAlone) {
  LanguageModel model = tiny(7);
  BatchEngine engine(model, toy::letters(96),
                     {.running = 6, .rows = 40, .memory = 3 * model.cache_bytes_for(200, 1)});
  std::map<uint64_t, Generation> results;
  std::map<uint64_t, std::vector<TokenId>> prompts;
  for (uint64_t i = 0; i < 16; ++i) {
    BatchRequest r;
    // A prompt that says everything twice, so that guesses are made.
    r.prompt = test::random_ids(i, 60, 95);
    r.prompt.insert(r.prompt.end(), r.prompt.begin(), r.prompt.begin() + 50);
    r.options = asking(i % 2 ? "greedy" : "sample", "lookup:shortest=1");
    r.done = [&results, i](Generation g) {
      g.past.reset();
      results.emplace(i, std::move(g));
    };
    prompts[i] = r.prompt;
    engine.submit(std::move(r));
  }
  engine.drain();
  EXPECT_GT(engine.counters().preempted, 0);
  int64_t guessed = 0;
  for (const auto& [i, got] : results) {
    LanguageModel lone = tiny(7);
    const auto alone =
        generate(lone, toy::letters(96), prompts[i], asking(i % 2 ? "greedy" : "sample", "none"));
    EXPECT_EQ(got.error, "");
    EXPECT_EQ(got.best.ids, alone.best.ids) << i;
    guessed += got.drafts.guessed;
  }
  EXPECT_EQ(results.size(), 16u);
  EXPECT_GT(guessed, 0);
}

TEST(Draft, WhatCannotBeServedIsRefused) {
  LanguageModel model = tiny(7), forgetful = tiny(7, "streaming:sinks=1,local=8");
  toy::FunctionModel small = toy::markov(9, 1);
  const auto refusal = [&](CausalModel& m, const GenerateOptions& o) -> std::string {
    try {
      generate(m, toy::letters(96), {1, 2}, o);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(refusal(model, asking("greedy", "draft-model")).find("--with draft=REF"),
            std::string::npos);
  EXPECT_NE(refusal(model, asking("greedy", "draft-model", &small)).find("9 tokens"),
            std::string::npos);
  EXPECT_NE(refusal(model, asking("beam:beams=2", "lookup")).find("greedy"), std::string::npos);
  EXPECT_NE(refusal(forgetful, asking("greedy", "lookup")).find("--context full"),
            std::string::npos);
  EXPECT_THROW(lookup({.longest = 2, .shortest = 3}), Error);
}

TEST(Draft, WhatADraftingModelHoldsCountsAsMemory) {
  LanguageModel model = tiny(7), second = tiny(7);
  const int64_t each = model.cache_bytes_for(200, 1);
  const BatchOptions options{.running = 6, .rows = 40, .memory = 5 * each};
  BatchEngine engine(model, toy::letters(96), options);
  std::map<uint64_t, Generation> results;
  for (uint64_t i = 0; i < 10; ++i) {
    BatchRequest r;
    r.prompt = test::random_ids(i, 90, 95);
    r.options = asking("greedy", "draft-model", &second);
    r.done = [&results, i](Generation g) {
      g.past.reset();
      results.emplace(i, std::move(g));
    };
    engine.submit(std::move(r));
  }
  int64_t most = 0;
  while (engine.step()) {
    most = std::max(most, second.cache_bytes());
    EXPECT_LE(model.cache_bytes() + second.cache_bytes(), options.memory);
  }
  EXPECT_GT(most, 0);
  EXPECT_GT(engine.counters().preempted, 0);
  int64_t kept = 0;
  for (const auto& [i, got] : results) {
    LanguageModel lone = tiny(7);
    const auto alone =
        generate(lone, toy::letters(96), test::random_ids(i, 90, 95), asking("greedy", "none"));
    EXPECT_EQ(got.error, "");
    EXPECT_EQ(got.best.ids, alone.best.ids) << i;
    kept += got.drafts.kept;
  }
  EXPECT_GT(kept, 0);
}

TEST(Draft, ARequestWhoseDraftsDoNotFitIsToldWhatWouldDo) {
  LanguageModel model = tiny(7), second = tiny(8);
  const auto answer = [&](int64_t memory) {
    BatchEngine engine(model, toy::letters(96), {.memory = memory});
    Generation result;
    BatchRequest r;
    r.prompt = test::random_ids(1, 150, 95);
    r.options = asking("greedy", "draft-model", &second);
    r.done = [&](Generation g) { result = std::move(g); };
    engine.submit(std::move(r));
    engine.drain();
    return result.error;
  };
  const std::string said = answer(model.cache_bytes_for(190, 1));
  const size_t at = said.find("Allow ");
  ASSERT_NE(at, std::string::npos) << said;
  const int64_t would_do = std::stoll(said.substr(at + 6));
  EXPECT_GT(would_do, model.cache_bytes_for(190, 1));
  EXPECT_EQ(answer(would_do), "");
}

}  // namespace
}  // namespace tessera
