// Oracles: a model counted by hand, the entropy rate of the source.
#include <cmath>

#include <gtest/gtest.h>

#include "tessera/base/guest.h"
#include "tessera/eval/markov_source.h"
#include "tessera/eval/repro_texts.h"
#include "tessera/eval/text_models.h"
#include "tests/base/refusal.h"

namespace tessera {
namespace {

TEST(TokenLoss, IsThatOfTokensCountedByHand) {
  const ReproLines file(std::vector<std::string>{"abababab"});
  // 256 bytes and "ab": three entries are made of what the text holds.
  const auto t = trained_for_repro(file, {}, "bpe", 257, "bytes");
  ASSERT_EQ(tokens_of(*t, {"abab"}), 2);
  const TokenLoss loss = token_loss(*t, {"abab", "aab"}, {"ab", "b"});
  EXPECT_EQ(loss.entries, 3);
  // ab ab / a ab: counts 3, 1, 0, each and a half, of 5.5.
  EXPECT_NEAR(loss.unigram, -(std::log(3.5 / 5.5) + std::log(0.5 / 5.5)) / 3, 1e-12);
  EXPECT_NEAR(loss.bigram, loss.unigram, 1e-12);
  EXPECT_NEAR(loss.characters_per_token, 1.5, 1e-12);
  EXPECT_NEAR(loss.unused, 1.0 / 3, 1e-12);
  EXPECT_NEAR(loss.heaviest, 3 * 3.5 / 5.5, 1e-12);
  // Behind ab: ab once; behind a: ab once.
  const TokenLoss two = token_loss(*t, {"abab", "aab"}, {"aab"});
  EXPECT_NEAR(two.bigram, -(std::log(1.5 / 5.5) + std::log((1 + 3.5 / 5.5) / 2)) / 3, 1e-12);
  EXPECT_NE(test::refusal([&] { token_loss(*t, {"ab"}, {}); }), "");
}

TEST(TokenLoss, IsNeverBelowTheEntropyRateAndNearsIt) {
  const MarkovSource source = MarkovSource::switching(2, 0.8, 0.8);
  const std::vector<std::string> training = {source.sample(40000, 1)},
                                 other = {source.sample(20000, 2)};
  const ReproLines file(training);
  for (const char* spec : {"bpe", "seq-bpe", "lzw", "block:length=4"}) {
    const auto t = trained_for_repro(file, {}, spec, 256 + 60, "bytes");
    const double loss = token_loss(*t, training, other).unigram;
    EXPECT_GT(loss, source.entropy_rate() - 0.012) << spec;
    EXPECT_LT(loss, 0.65) << spec;
  }
}

}  // namespace
}  // namespace tessera
