#include "tessera/decode/batch_engine.h"

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/network/language_model.h"
#include "tests/decode/toy.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

LanguageModel tiny(const std::string& policy = "full") {
  auto files = test::tiny_model(test::tiny_description(), 7);
  return {load_network(files), policy};
}

// Requests of many lengths and strategies, half of which begin alike.
std::vector<BatchRequest> requests(size_t count, uint64_t seed) {
  const std::vector<int32_t> common = test::random_ids(seed, 150, 95);
  std::mt19937_64 random(seed);
  const char* strategies[] = {"greedy", "sample:temp=2", "beam:beams=3", "sample:top-k=5,repeat=2"};
  std::vector<BatchRequest> out(count);
  for (size_t i = 0; i < count; ++i) {
    BatchRequest& r = out[i];
    if (random() % 2 == 0) r.prompt.assign(common.begin(), common.begin() + 60 + random() % 90);
    const auto own = test::random_ids(seed * 1000 + i, 1 + static_cast<int64_t>(random() % 90), 95);
    r.prompt.insert(r.prompt.end(), own.begin(), own.end());
    r.options.decode = strategies[random() % 4];
    r.options.max_tokens = 1 + static_cast<int64_t>(random() % 40);
    r.options.stop_ids = {95};
    r.options.seed = i;
    r.options.top_logprobs = 1;
    r.client = i % 3 == 0 ? "a" : "b";
  }
  return out;
}

// Oracle: each request alone, on a model of its own.
void expect_alone(const BatchRequest& r, const Generation& got, const std::string& policy) {
  LanguageModel model = tiny(policy);
  const Generation alone = generate(model, toy::letters(96), r.prompt, r.options);
  EXPECT_EQ(got.error, alone.error);
  EXPECT_EQ(got.best.ids, alone.best.ids);
  EXPECT_EQ(got.best.text, alone.best.text);
  EXPECT_EQ(got.best.finish, alone.best.finish);
  ASSERT_EQ(got.best.steps.size(), alone.best.steps.size());
  for (size_t i = 0; i < alone.best.steps.size(); ++i) {
    // The same bits of all logits, or these sums over them would differ.
    EXPECT_EQ(got.best.steps[i].logprob, alone.best.steps[i].logprob) << i;
  }
}

BatchCounters serve(const std::string& policy, const BatchOptions& options, size_t count,
                    uint64_t seed) {
  LanguageModel model = tiny(policy);
  BatchEngine engine(model, toy::letters(96), options);
  const auto all = requests(count, seed);
  std::map<size_t, Generation> results;
  for (size_t i = 0; i < count; ++i) {
    BatchRequest r = all[i];
    r.done = [&results, i](Generation g) {
      g.past.reset();
      results.emplace(i, std::move(g));
    };
    engine.submit(std::move(r));
    // They come while others run.
    for (size_t k = 0; k < i % 4; ++k) engine.step();
  }
  engine.drain();
  EXPECT_EQ(results.size(), count);
  for (const auto& [i, g] : results) {
    SCOPED_TRACE("request " + std::to_string(i) + " " + all[i].options.decode);
    expect_alone(all[i], g, policy);
  }
  return engine.counters();
}

TEST(BatchEngine, SixtyFourInterleavedRequestsAnswerAsTheyDoAlone) {
  const BatchCounters c = serve("full", {.running = 12, .rows = 100}, 64, 1);
  EXPECT_EQ(c.most_running, 12);
  EXPECT_GT(c.shared, 0);
  EXPECT_EQ(c.preempted, 0);
}

TEST(BatchEngine, APolicyThatForgetsAnswersAsItDoesAlone) {
  serve("streaming:sinks=4,local=90", {.running = 6, .rows = 64}, 24, 2);
}

TEST(BatchEngine, WithLittleMemoryRequestsArePreemptedAndAnswerAsTheyDoAlone) {
  LanguageModel model = tiny();
  const int64_t longest = model.cache_bytes_for(290, 1);
  // The ends of three beams are three texts: a lone request may take more than its length says.
  const BatchCounters c = serve("full", {.running = 8, .rows = 60, .memory = 3 * longest}, 40, 3);
  EXPECT_GT(c.preempted, 0);
}

TEST(BatchEngine, APreemptedRequestSaysAgainWhereItsPromptEnds) {
  for (const char* policy : {"snapkv:budget=40,window=8", "h2o:budget=40,local=8"}) {
    LanguageModel model = tiny(policy);
    const BatchCounters c = serve(
        policy, {.running = 8, .rows = 60, .memory = 3 * model.cache_bytes_for(290, 1)}, 24, 5);
    EXPECT_GT(c.preempted, 0) << policy;
  }
}

// What a policy chooses before it has seen the rest of the prompt, by hand.
TEST(BatchEngine, APromptMayBeAnnouncedInPart) {
  LanguageModel model = tiny("snapkv:budget=40,window=8");
  const std::vector<int32_t> prompt = test::random_ids(9, 100, 95);
  GenerateOptions options{.max_tokens = 6, .seed = 1};
  const auto counters = [&](int64_t announced) {
    options.announced = announced;
    return generate(model, toy::letters(96), prompt, options).past->counters();
  };
  const ModelDescription& d = model.network().description();
  // Under full attention, too, which has no reason to cut a pass there.
  LanguageModel full = tiny();
  options.announced = 70;
  EXPECT_EQ(generate(full, toy::letters(96), prompt, options).past->counters().decoded_steps,
            d.layers * d.kv_heads * 35);
  for (const int64_t announced : {int64_t{70}, int64_t{100}, int64_t{-1}}) {
    const int64_t text = announced < 0 ? 100 : announced;
    EXPECT_EQ(counters(announced).decoded_steps, d.layers * d.kv_heads * (105 - text));
  }
  EXPECT_EQ(counters(-1).decoded_keys_read, counters(100).decoded_keys_read);
  EXPECT_EQ(counters(-1).decoded_keys_read, counters(1000).decoded_keys_read);
}

TEST(BatchEngine, NeverHoldsMoreThanItsMemory) {
  for (const char* policy : {"full", "quest:page=4,budget=40"}) {
    LanguageModel model = tiny(policy);
    BatchOptions options{.running = 8, .rows = 64, .memory = 3 * model.cache_bytes_for(290, 1)};
    BatchEngine engine(model, toy::letters(96), options);
    for (BatchRequest& r : requests(30, 4)) engine.submit(std::move(r));
    while (engine.step()) EXPECT_LE(model.cache_bytes(), options.memory) << policy;
  }
}

TEST(BatchEngine, ARequestThatNoMemoryHoldsIsToldWhatWouldDo) {
  LanguageModel model = tiny();
  BatchOptions options{.memory = model.cache_bytes_for(100, 1)};
  BatchEngine engine(model, toy::letters(96), options);
  std::vector<Generation> results;
  BatchRequest r;
  r.prompt = test::random_ids(1, 150, 95);
  r.options.max_tokens = 50;
  r.options.seed = 1;
  r.done = [&](Generation g) { results.push_back(std::move(g)); };
  engine.submit(r);
  engine.drain();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].best.finish, Finish::error);
  const int64_t would_do = model.cache_bytes_for(200, 1);
  EXPECT_NE(results[0].error.find("Allow " + std::to_string(would_do)), std::string::npos)
      << results[0].error;

  LanguageModel other = tiny();
  BatchEngine enough(other, toy::letters(96), {.memory = would_do});
  enough.submit(r);
  enough.drain();
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[1].best.finish, Finish::length);
  EXPECT_EQ(results[1].best.ids.size(), 50u);
}

TEST(BatchEngine, WithoutALengthAnAnswerEndsWhereItsMemoryDoes) {
  LanguageModel model = tiny();
  BatchEngine engine(model, toy::letters(96), {.memory = model.cache_bytes_for(128, 1)});
  Generation result;
  BatchRequest r;
  r.prompt = test::random_ids(1, 100, 95);
  r.options.seed = 1;
  r.done = [&](Generation g) { result = std::move(g); };
  engine.submit(std::move(r));
  engine.drain();
  EXPECT_EQ(result.best.finish, Finish::length);
  EXPECT_EQ(result.best.ids.size(), 28u);
}

TEST(BatchEngine, ASharedBeginningIsReadOnce) {
  LanguageModel model = tiny();
  BatchEngine engine(model, toy::letters(96));
  const auto common = test::random_ids(5, 256, 95);
  int64_t ids = 0;
  std::vector<int64_t> reused;
  for (int i = 0; i < 10; ++i) {
    BatchRequest r;
    r.prompt = common;
    r.prompt.push_back(i);
    r.options.max_tokens = 3;
    r.options.seed = 1;
    r.done = [&](const Generation& g) {
      reused.push_back(g.reused_tokens);
      ids += static_cast<int64_t>(g.best.ids.size());
    };
    engine.submit(std::move(r));
  }
  engine.drain();
  EXPECT_EQ(engine.counters().shared, 9 * 256);
  // Each text runs the end of its prompt and all but the last token of its answer.
  EXPECT_EQ(engine.counters().rows, 256 + 10 + ids - 10);
  EXPECT_EQ(std::ranges::count(reused, 256), 9);
}

TEST(BatchEngine, AShortPromptDoesNotWaitForALongOne) {
  LanguageModel model = tiny();
  BatchEngine engine(model, toy::letters(96), {.rows = 40});
  std::vector<std::string> order;
  for (const auto& [name, length] : {std::pair("long", 400), std::pair("short", 30)}) {
    BatchRequest r;
    r.prompt = test::random_ids(static_cast<uint64_t>(length), length, 95);
    r.options.max_tokens = 2;
    r.options.seed = 1;
    r.done = [&order, name = std::string(name)](const Generation&) { order.push_back(name); };
    engine.submit(std::move(r));
  }
  engine.drain();
  EXPECT_EQ(order, (std::vector<std::string>{"short", "long"}));
}

TEST(BatchEngine, ClientsTakeTurns) {
  LanguageModel model = tiny();
  BatchEngine engine(model, toy::letters(96), {.running = 2});
  std::string order;
  for (const char* client : {"a", "a", "a", "a", "b"}) {
    BatchRequest r;
    r.prompt = {1, 2, 3};
    r.options.max_tokens = 4;
    r.options.seed = 1;
    r.client = client;
    r.done = [&order, client](const Generation&) { order += client; };
    engine.submit(std::move(r));
  }
  engine.drain();
  EXPECT_EQ(order, "abaaa");
}

TEST(BatchEngine, CancelledRequestsEndAndLeaveTheOthersAlone) {
  LanguageModel model = tiny();
  BatchEngine engine(model, toy::letters(96), {.running = 2});
  auto all = requests(4, 6);
  std::map<size_t, Generation> results;
  std::vector<int64_t> numbers;
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].options.decode = "greedy";
    all[i].options.max_tokens = 30;
    BatchRequest r = all[i];
    r.done = [&results, i](Generation g) { results.emplace(i, std::move(g)); };
    numbers.push_back(engine.submit(std::move(r)));
  }
  for (int i = 0; i < 5; ++i) engine.step();
  engine.cancel(numbers[0]);  // runs
  engine.cancel(numbers[3]);  // waits
  engine.cancel(12345);       // is none
  engine.drain();
  ASSERT_EQ(results.size(), 4u);
  EXPECT_EQ(results[0].best.finish, Finish::cancelled);
  EXPECT_EQ(results[3].best.finish, Finish::cancelled);
  for (const size_t i : {1, 2}) expect_alone(all[i], results[i], "full");
}

TEST(BatchEngine, AWrongRequestIsAnErrorOfItsOwn) {
  LanguageModel model = tiny();
  BatchEngine engine(model, toy::letters(96));
  std::vector<std::string> errors;
  auto submit = [&](std::vector<TokenId> prompt, const std::string& decode) {
    BatchRequest r;
    r.prompt = std::move(prompt);
    r.options.decode = decode;
    r.options.max_tokens = 2;
    r.done = [&](const Generation& g) { errors.push_back(g.error); };
    engine.submit(std::move(r));
  };
  submit({}, "greedy");
  submit({96}, "greedy");
  submit({1}, "no-such");
  submit(test::random_ids(1, 512, 95), "greedy");
  submit({1}, "greedy");
  engine.drain();
  ASSERT_EQ(errors.size(), 5u);
  EXPECT_EQ(std::ranges::count(errors, ""), 1);
  EXPECT_EQ(errors.back(), "");
  EXPECT_THROW(BatchEngine(model, toy::letters(96), {.running = 0}), Error);
}

TEST(BatchEngine, WhatTheModelThrowsEndsTheRequestsOfThatPass) {
  toy::FunctionModel model(8, [](const std::vector<TokenId>& ids) {
    if (ids.size() > 4) throw Error("model", "fell over");
    return std::vector<float>(8, 0.f);
  });
  BatchEngine engine(model, toy::letters(8));
  std::vector<Generation> results;
  BatchRequest r;
  r.prompt = {1};
  r.options.max_tokens = 9;
  r.options.seed = 1;
  r.done = [&](Generation g) { results.push_back(std::move(g)); };
  engine.submit(r);
  engine.drain();
  r.options.max_tokens = 2;
  engine.submit(r);
  engine.drain();
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].best.finish, Finish::error);
  EXPECT_EQ(results[0].best.ids.size(), 4u);
  EXPECT_EQ(results[1].best.finish, Finish::length);
}

TEST(BatchEngine, ServesOtherThreadsUntilItIsStopped) {
  LanguageModel model = tiny();
  BatchEngine engine(model, toy::letters(96));
  std::atomic<int> done = 0, cancelled = 0;
  std::jthread server([&](const std::stop_token& stop) { engine.run(stop); });
  {
    std::vector<std::jthread> clients;
    for (uint64_t c = 0; c < 4; ++c) {
      clients.emplace_back([&, c] {
        for (BatchRequest& r : requests(4, c + 10)) {
          r.done = [&](const Generation& g) {
            (g.best.finish == Finish::cancelled ? cancelled : done) += 1;
          };
          engine.submit(std::move(r));
        }
      });
    }
  }
  while (done == 0) std::this_thread::yield();
  server.request_stop();
  server.join();
  EXPECT_EQ(done + cancelled, 16);
}

TEST(PrefixTable, FindsTheLongestKeptBeginningAndForgetsTheOldest) {
  PrefixTable table(2);
  toy::ListPast past;
  past.ids = test::random_ids(1, 200, 95);
  const std::vector<TokenId> first = past.ids;
  table.add(first, past);
  EXPECT_EQ(table.find(first)->length(), 192);
  EXPECT_EQ(table.length_of(std::span(first).first(192)), 128);  // one id is left to run
  std::vector<TokenId> other = first;
  other[100] += 1;
  EXPECT_EQ(table.length_of(other), 64);
  past.ids = other;
  table.add(other, past);
  EXPECT_EQ(table.find(other)->length(), 192);
  EXPECT_EQ(table.find(first)->length(), 192);
  past.ids = test::random_ids(2, 70, 95);
  table.add(past.ids, past);
  EXPECT_EQ(table.size(), 2);
  EXPECT_EQ(table.length_of(other), 64);  // dropped, but what it shares with the first is there
  EXPECT_TRUE(table.drop_oldest());
  EXPECT_TRUE(table.drop_oldest());
  EXPECT_FALSE(table.drop_oldest());
  EXPECT_EQ(table.find(first), nullptr);
}

}  // namespace
}  // namespace tessera
