#include "tessera/decode/generate.h"

#include <limits>

#include <gtest/gtest.h>

#include "tests/decode/toy.h"

namespace tessera {
namespace {

// A model that writes the given ids after a prompt of any length `prompt`.
toy::FunctionModel writes(const std::vector<TokenId>& ids, int64_t vocabulary, size_t prompt = 1) {
  return toy::FunctionModel(vocabulary, [=](const std::vector<TokenId>& seen) {
    std::vector<float> row(static_cast<size_t>(vocabulary));
    size_t i = seen.size() - prompt;
    row[static_cast<size_t>(i < ids.size() ? ids[i] : 0)] = 5;
    return row;
  });
}

std::shared_ptr<const Tokenizer> words(std::vector<std::string> list) {
  return std::make_shared<toy::Words>(std::move(list));
}

TEST(Generate, StopStringsAcrossTokensAreNeverGivenOut) {
  auto tokenizer = words({"x", "one<", "/b", ">two", "<", "three"});
  auto model = writes({1, 4, 5, 1, 2, 3, 5}, 6);
  std::string streamed;
  GenerateCallbacks callbacks;
  callbacks.text = [&](std::string_view text) {
    streamed += text;
    EXPECT_EQ(streamed.find("</b"), std::string::npos);
  };
  auto out = generate(model, tokenizer, {0}, {.max_tokens = 7, .stop = {"</b>"}}, callbacks);
  EXPECT_EQ(out.best.text, "one<<threeone");
  EXPECT_EQ(streamed, out.best.text);
  EXPECT_EQ(out.best.finish, Finish::stop);
  EXPECT_EQ(out.best.ids.size(), 6u);
}

TEST(Generate, WhatWasHeldBackComesWhenTheTextEndsOtherwise) {
  auto model = writes({1, 1}, 2);
  auto out = generate(model, words({"x", "</"}), {0}, {.max_tokens = 2, .stop = {"</b>"}});
  EXPECT_EQ(out.best.text, "</</");
  EXPECT_EQ(out.best.finish, Finish::length);
}

TEST(Generate, StreamsWholeCharactersOnly) {
  auto tokenizer = words({"x", "\xe2", "\x82", "\xac", "\xf0\x9f", "\x98\x80"});
  auto model = writes({1, 2, 3, 4, 5, 1}, 6);
  std::vector<std::string> pieces;
  GenerateCallbacks callbacks;
  callbacks.text = [&](std::string_view text) { pieces.emplace_back(text); };
  auto out = generate(model, tokenizer, {0}, {.max_tokens = 6}, callbacks);
  EXPECT_EQ(pieces, (std::vector<std::string>{"\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xe2"}));
  EXPECT_EQ(out.best.text, "\xe2\x82\xac\xf0\x9f\x98\x80\xe2");
}

TEST(Generate, StopIdsEndTheTextAndSayNothing) {
  auto model = writes({1, 2, 1}, 3);
  auto out = generate(model, words({"x", "hi", "bye"}), {0}, {.max_tokens = 9, .stop_ids = {2}});
  EXPECT_EQ(out.best.text, "hi");
  EXPECT_EQ(out.best.ids, (std::vector<TokenId>{1, 2}));
  EXPECT_EQ(finish_name(out.best.finish), "stop");
}

TEST(Generate, APromptThatLeavesNoRoomIsRefusedWithTheNumbers) {
  toy::FunctionModel model(2, [](const auto&) { return std::vector<float>{1, 0}; }, 8);
  auto tokenizer = words({"x", "y"});
  EXPECT_EQ(generate(model, tokenizer, {0, 0, 0, 0, 0}).best.ids.size(), 3u);
  EXPECT_EQ(generate(model, tokenizer, {0}, {.max_tokens = 20, .context = -1}).best.ids.size(),
            20u);
  try {
    generate(model, tokenizer, std::vector<TokenId>(8));
    FAIL();
  } catch (const Error& e) {
    std::string line = e.what();
    EXPECT_NE(line.find("need 9 positions; the context has 8"), std::string::npos) << line;
    EXPECT_FALSE(e.remedy().empty());
  }
}

TEST(Generate, BadPromptsAreRefused) {
  auto model = writes({1}, 2);
  EXPECT_THROW(generate(model, words({"x", "y"}), {}), Error);
  EXPECT_THROW(generate(model, words({"x", "y"}), {2}), Error);
  EXPECT_THROW(generate(model, words({"x", "y"}), {-1}), Error);
}

// Oracle: the prompt in one pass.
TEST(Generate, ChunksOfThePromptChangeNothing) {
  auto model = toy::markov(9, 2);
  std::vector<TokenId> prompt = {1, 2, 3, 4, 5, 6, 7};
  GenerateOptions options{.decode = "sample", .max_tokens = 30, .seed = 1};
  auto whole = generate(model, toy::letters(9), prompt, options);
  for (int64_t chunk = 1; chunk < 8; ++chunk) {
    options.prefill_chunk = chunk;
    std::vector<int64_t> progress;
    GenerateCallbacks callbacks;
    callbacks.prefill = [&](int64_t done, int64_t) { progress.push_back(done); };
    EXPECT_EQ(generate(model, toy::letters(9), prompt, options, callbacks).best.ids,
              whole.best.ids);
    EXPECT_EQ(progress.size(), static_cast<size_t>((7 + chunk - 1) / chunk));
    EXPECT_EQ(progress.back(), 7);
  }
}

// Oracle: a past of its own for each turn.
TEST(Generate, APastThatHoldsABeginningOfThePromptIsGoneOnWith) {
  auto model = toy::markov(9, 2);
  GenerateOptions options{.max_tokens = 5};
  auto first = generate(model, toy::letters(9), {1, 2}, options);
  std::vector<TokenId> prompt = {1, 2};
  prompt.insert(prompt.end(), first.best.ids.begin(), first.best.ids.end());
  prompt.push_back(3);
  auto fresh = generate(model, toy::letters(9), prompt, options);
  auto reused = generate(model, toy::letters(9), prompt, options, {}, std::move(first.past));
  EXPECT_EQ(reused.best.ids, fresh.best.ids);
  EXPECT_EQ(reused.reused_tokens, 6);  // the last token of the answer was never run
  EXPECT_THROW(generate(model, toy::letters(9), {1}, options, {}, std::move(reused.past)), Error);
}

TEST(Generate, StopsWhenAskedAndGivesWhatThereIs) {
  auto model = writes({1, 1, 1, 1, 1, 1}, 2);
  std::stop_source source;
  GenerateCallbacks callbacks;
  callbacks.stop = source.get_token();
  int calls = 0;
  callbacks.text = [&](std::string_view) {
    if (++calls == 3) source.request_stop();
  };
  auto out = generate(model, words({"x", "y"}), {0}, {.max_tokens = 100}, callbacks);
  EXPECT_EQ(out.best.text, "yyy");
  EXPECT_EQ(out.best.finish, Finish::cancelled);
}

TEST(Generate, AFaultAfterTheFirstTokenKeepsTheText) {
  toy::FunctionModel model(2, [](const std::vector<TokenId>& ids) {
    float x = ids.size() > 3 ? std::numeric_limits<float>::quiet_NaN() : 5;
    return std::vector<float>{0, x};
  });
  auto out = generate(model, words({"x", "y"}), {0}, {.max_tokens = 9});
  EXPECT_EQ(out.best.text, "yyy");
  EXPECT_EQ(out.best.finish, Finish::error);
  EXPECT_NE(out.error.find("not a number"), std::string::npos);
  EXPECT_THROW(generate(model, words({"x", "y"}), {0, 0, 0, 0}, {.max_tokens = 9}), Error);
}

// Oracle: log-softmax of the table, by hand.
TEST(Generate, LogProbabilitiesAreTheModelsOwn) {
  toy::FunctionModel model(4, [](const auto&) { return std::vector<float>{1, 3, 2, 3}; });
  auto out = generate(model, toy::letters(4), {0},
                      {.max_tokens = 1, .top_logprobs = 3, .logit_bias = {{2, 10}}});
  double total = std::log(std::exp(1.0) + 2 * std::exp(3.0) + std::exp(2.0));
  ASSERT_EQ(out.best.steps.size(), 1u);
  const Step& step = out.best.steps[0];
  EXPECT_EQ(step.id, 2);
  EXPECT_NEAR(step.logprob, 2 - total, 1e-12);
  ASSERT_EQ(step.top.size(), 3u);
  EXPECT_EQ(step.top[0].id, 1);
  EXPECT_EQ(step.top[1].id, 3);
  EXPECT_EQ(step.top[2].id, 2);
  EXPECT_NEAR(step.top[0].logprob, 3 - total, 1e-12);
}

TEST(Generate, AConstraintEndsTheTextAndReportsTheMassItKept) {
  toy::FunctionModel model(4, [](const auto&) { return std::vector<float>{1, 3, 2, 3}; });
  auto out =
      generate(model, toy::letters(4), {0}, {.constrain = "choice:texts=ac|ab", .top_logprobs = 0});
  EXPECT_EQ(out.best.text, "ab");
  EXPECT_EQ(out.best.finish, Finish::constraint);
  double total = std::exp(1.0) + 2 * std::exp(3.0) + std::exp(2.0);
  ASSERT_EQ(out.best.steps.size(), 2u);
  EXPECT_NEAR(out.best.steps[0].kept_mass, std::exp(1.0) / total, 1e-12);
  EXPECT_NEAR(out.best.steps[1].kept_mass, (std::exp(3.0) + std::exp(2.0)) / total, 1e-12);
}

TEST(Generate, AStopTokenWaitsUntilTheConstraintIsComplete) {
  // Likes to stop, then to go on.
  toy::FunctionModel model(4, [](const auto&) { return std::vector<float>{1, 0, 0, 5}; });
  auto out =
      generate(model, toy::letters(4), {0}, {.constrain = "choice:texts=ab|abc", .stop_ids = {3}});
  EXPECT_EQ(out.best.text, "ab");
  EXPECT_EQ(out.best.finish, Finish::stop);
}

TEST(Generate, AConstraintThatTheVocabularyCannotWriteIsAnError) {
  toy::FunctionModel model(4, [](const auto&) { return std::vector<float>{1, 0, 0, 5}; });
  try {
    generate(model, toy::letters(4), {0}, {.constrain = "choice:texts=z"});
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("no token"), std::string::npos);
  }
}

TEST(Generate, PaddingRowsOfTheHeadAreNeverChosen) {
  toy::FunctionModel model(6, [](const auto&) { return std::vector<float>{0, 1, 0, 0, 9, 9}; });
  auto out = generate(model, toy::letters(4), {0}, {.max_tokens = 2});
  EXPECT_EQ(out.best.ids, (std::vector<TokenId>{1, 1}));
}

// Oracle: each request alone.
TEST(Generator, ManyRequestsShareOnePass) {
  auto model = toy::markov(9, 2);
  std::vector<GenerateOptions> options = {
      {.decode = "sample", .max_tokens = 9, .seed = 1},
      {.decode = "beam:beams=3", .max_tokens = 5, .stop_ids = {8}},
      {.decode = "greedy", .max_tokens = 12, .prefill_chunk = 2}};
  std::vector<TokenId> prompt = {1, 2, 3, 4, 5};
  std::vector<std::unique_ptr<Generator>> requests;
  requests.reserve(options.size());
  for (const auto& o : options) {
    requests.push_back(std::make_unique<Generator>(model, toy::letters(9), prompt, o));
  }
  std::vector<CausalModel::Item> batch;
  while (true) {
    batch.clear();
    for (auto& r : requests) {
      if (!r->done()) r->items(batch);
    }
    if (batch.empty()) break;
    model.forward(batch);
    for (auto& r : requests) {
      if (!r->done()) r->advance();
    }
  }
  for (size_t i = 0; i < options.size(); ++i) {
    EXPECT_EQ(requests[i]->take().best.ids,
              generate(model, toy::letters(9), prompt, options[i]).best.ids);
  }
}

}  // namespace
}  // namespace tessera
