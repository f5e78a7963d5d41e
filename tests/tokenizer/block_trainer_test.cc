// Oracle: the loss of the best model of single blocks on a source whose entropy is known.
#include "tessera/tokenizer/train/block_trainer.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "tessera/base/random.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

// A binary text in which a symbol differs from the one `order` places before with probability p.
std::string switching(int64_t order, double p, size_t length) {
  Random random(7, static_cast<uint64_t>(order));
  std::string text(length, '0');
  for (size_t i = 0; i < length; ++i) {
    const auto back = static_cast<size_t>(order);
    if (i < back) {
      text[i] = random.uniform() < 0.5 ? '0' : '1';
    } else {
      text[i] = (random.uniform() < p) == (text[i - back] == '0') ? '1' : '0';
    }
  }
  return text;
}

TEST(BlockTrainer, LossOfSingleBlocksIsTheClosedForm) {
  test::TemporaryFolder folder;
  constexpr double kChange = 0.8;
  const double entropy = -kChange * std::log(kChange) - (1 - kChange) * std::log(1 - kChange);
  for (int64_t order = 1; order <= 3; ++order) {
    const std::string text = switching(order, kChange, 120000);
    const std::string file = folder.write("t", text);
    for (int64_t length = 1; length <= 5; ++length) {
      TrainingTexts texts({file}, {});
      TrainingRequest request;
      request.vocab_size = 257 + (length > 1 ? int64_t{1} << length : 0);
      const auto made = block_trainer({.length = length})->train(texts, request);
      EXPECT_TRUE(made.notes.empty());
      const auto tokenizer = parse_tokenizer_json(made.json, "test");
      std::map<TokenId, double> counts;
      const auto ids = tokenizer->encode(text).ids;
      for (TokenId id : ids) ++counts[id];
      double loss = 0;
      for (const auto& [id, count] : counts) {
        loss -= count * std::log(count / static_cast<double>(ids.size()));
      }
      loss /= static_cast<double>(text.size());
      const auto r = static_cast<double>(length), k = static_cast<double>(order);
      const double wanted = (std::min(r, k) * std::log(2) + std::max(0.0, r - k) * entropy) / r;
      // Five standard errors of a mean over 120,000 / 5 blocks, whose losses differ by about 1.
      EXPECT_NEAR(loss, wanted, 0.007) << "order " << order << ", length " << length;
    }
  }
}

TEST(BlockTrainer, BlocksAreTheMostFrequentOnesOfTheirLength) {
  test::TemporaryFolder folder;
  const std::string text =
      "\xD0\xB6\xD1\x83\xD0\xBA\xD0\xB6\xD1\x83"
      "abab\n";
  const std::string file = folder.write("t", text);
  TrainingTexts texts({file}, {});
  TrainingRequest request;
  request.vocab_size = 259;
  const auto made = block_trainer({.length = 2})->train(texts, request);
  const auto tokenizer = parse_tokenizer_json(made.json, "test");
  EXPECT_EQ(tokenizer->vocabulary().bytes(257), "ab");
  EXPECT_EQ(tokenizer->vocabulary().bytes(258), "\xD0\xB6\xD1\x83");
  EXPECT_EQ(tokenizer
                ->encode("\xD0\xB6\xD1\x83"
                         "bab")
                .ids,
            (std::vector<TokenId>{258, 99, 257}));
}

}  // namespace
}  // namespace tessera
