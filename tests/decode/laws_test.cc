#include <gtest/gtest.h>

#include "tessera/decode/generate.h"
#include "tests/base/guest_laws.h"
#include "tests/decode/toy.h"

namespace tessera {
namespace {

TEST(DecodeLaws, EveryStrategyKeepsTheLawsOfGuests) { expect_guest_laws<Strategy>(); }
TEST(DecodeLaws, EveryConstraintKeepsTheLawsOfGuests) { expect_guest_laws<Constraint>(); }

Generation run(const std::string& decode, int model_seed, uint64_t seed) {
  auto model = toy::markov(12, model_seed);
  GenerateOptions options{.decode = decode, .max_tokens = 20, .stop_ids = {11}, .seed = seed};
  return generate(model, toy::letters(12), {1, 2}, options);
}

// Oracle: the default strategy on random tables.
TEST(DecodeLaws, EveryStrategyIsTheDefaultAtItsDeclaredLimit) {
  for (const auto& guest : guests<Strategy>()) {
    if (guest.entry.limit.starts_with("oracle:")) continue;
    for (int model = 0; model < 50; ++model) {
      SCOPED_TRACE(guest.entry.limit + " model " + std::to_string(model));
      EXPECT_EQ(run(guest.entry.limit, model, 1).best.ids,
                run(guests<Strategy>().front().entry.name, model, 2).best.ids);
    }
  }
}

TEST(DecodeLaws, EqualSeedsGiveEqualTexts) {
  for (const auto& guest : guests<Strategy>()) {
    SCOPED_TRACE(guest.entry.name);
    for (uint64_t seed = 0; seed < 10; ++seed) {
      auto one = run(guest.entry.name, 3, seed), two = run(guest.entry.name, 3, seed);
      EXPECT_EQ(one.best.ids, two.best.ids);
      EXPECT_EQ(one.best.text, two.best.text);
      EXPECT_EQ(one.seed, seed);
    }
  }
}

// Every constraint: what it says about a byte agrees with what next_bytes() says, a copy goes on by
// itself, and going back leads to where it was.
TEST(DecodeLaws, EveryConstraintCanBeCopiedAndRolledBack) {
  for (const auto& guest : guests<Constraint>()) {
    SCOPED_TRACE(guest.entry.name);
    auto constraint = guest.make(Spec::parse(guest.entry.name));
    auto at_start = constraint->clone();
    auto agree = [](const Constraint& a, const Constraint& b) {
      EXPECT_EQ(a.complete(), b.complete());
      EXPECT_EQ(a.ended(), b.ended());
      EXPECT_EQ(a.length(), b.length());
      for (int c = 0; c < 256; ++c) {
        std::string byte(1, static_cast<char>(c));
        EXPECT_EQ(a.possible({.bytes = byte}), b.possible({.bytes = byte})) << c;
        if (auto next = a.next_bytes()) {
          EXPECT_EQ(next->test(static_cast<size_t>(c)), a.possible({.bytes = byte})) << c;
        }
      }
    };
    for (int step = 0; step < 3 && !constraint->ended(); ++step) {
      std::string byte;
      for (int c = 0; c < 256 && byte.empty(); ++c) {
        std::string candidate(1, static_cast<char>(c));
        if (constraint->possible({.bytes = candidate})) byte = candidate;
      }
      ASSERT_FALSE(byte.empty());
      constraint->accept({.bytes = byte});
    }
    auto copy = constraint->clone();
    agree(*copy, *constraint);
    int64_t accepted = constraint->length();
    constraint->rollback(0);
    agree(*constraint, *at_start);
    EXPECT_EQ(copy->length(), accepted);
    EXPECT_GT(accepted, 1);
  }
}

}  // namespace
}  // namespace tessera
