// Oracle: the algorithm on strings, each merge applied to the whole part after the one before.
#include "tessera/tokenizer/train/seq_bpe_trainer.h"

#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tessera/base/random.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using Strings = std::vector<std::string>;

void join(Strings& symbols, const std::pair<std::string, std::string>& pair) {
  Strings out;
  for (size_t i = 0; i < symbols.size(); ++i) {
    if (i + 1 < symbols.size() && symbols[i] == pair.first && symbols[i + 1] == pair.second) {
      out.push_back(symbols[i] + symbols[i + 1]);
      ++i;
    } else {
      out.push_back(symbols[i]);
    }
  }
  symbols = out;
}

Strings by_strings(const std::string& text, int letters, int parts, double least) {
  std::vector<std::pair<std::string, std::string>> merges;
  Strings order;
  std::set<std::string> known;
  for (int i = 0; i < letters; ++i) {
    order.emplace_back(1, static_cast<char>('a' + i));
    known.insert(order.back());
  }
  for (int part = 0; part < parts; ++part) {
    Strings symbols;
    const size_t size = text.size();
    for (size_t i = size * static_cast<size_t>(part) / static_cast<size_t>(parts);
         i < size * static_cast<size_t>(part + 1) / static_cast<size_t>(parts); ++i) {
      symbols.emplace_back(1, text[i]);
    }
    for (const auto& merge : merges) join(symbols, merge);
    int most = 0;
    std::pair<std::string, std::string> best;
    for (const std::string& left : order) {
      for (const std::string& right : order) {
        Strings tried = symbols;
        join(tried, {left, right});
        const int n = static_cast<int>(symbols.size() - tried.size());
        if (n > most && n > least && !known.contains(left + right)) {
          most = n;
          best = {left, right};
        }
      }
    }
    if (most == 0) continue;
    merges.push_back(best);
    order.push_back(best.first + best.second);
    known.insert(order.back());
  }
  return order;
}

TEST(SeqBpe, LearnsWhatTheAlgorithmOnStringsLearns) {
  Random random(1);
  for (int round = 0; round < 40; ++round) {
    const int letters = 1 + static_cast<int>(random.below(3));
    std::string text(50 + random.below(400), 'a');
    for (char& c : text) {
      c = static_cast<char>('a' + random.below(1 + random.below(static_cast<uint64_t>(letters))));
    }
    const int parts = 1 + static_cast<int>(random.below(12));
    const double least = static_cast<double>(random.below(4));
    std::vector<uint32_t> word;
    for (const char c : text) word.push_back(static_cast<uint32_t>(c - 'a'));
    Strings tokens;
    for (int i = 0; i < letters; ++i) tokens.emplace_back(1, static_cast<char>('a' + i));
    for (const LearnedMerge& m :
         learn_in_sequence({word}, static_cast<uint32_t>(letters), parts, least, false)) {
      EXPECT_EQ(m.id, tokens.size());
      tokens.push_back(tokens[m.left] + tokens[m.right]);
    }
    EXPECT_EQ(tokens, by_strings(text, letters, parts, least)) << text << " " << parts;
  }
}

TEST(SeqBpe, APairMustOccurOftenEnough) {
  const std::vector<uint32_t> word(40, 0);
  EXPECT_EQ(learn_in_sequence({word}, 1, 1, 19, false).size(), 1u);
  EXPECT_EQ(learn_in_sequence({word}, 1, 1, 20, true).size(), 0u);
  EXPECT_TRUE(learn_in_sequence({}, 1, 5, 0, true).empty());
}

TEST(SeqBpe, TheTextIsReadAgainForWhatIsMissing) {
  // The first part has pairs for both merges, the second one none.
  std::vector<uint32_t> word(32, 0);
  for (uint32_t i = 1; i <= 32; ++i) word.push_back(i);
  EXPECT_EQ(learn_in_sequence({word}, 33, 2, 4, false).size(), 1u);
  EXPECT_EQ(learn_in_sequence({word}, 33, 2, 4, true).size(), 2u);
  EXPECT_EQ(learn_in_sequence({word}, 33, 5, 4, true).size(), 1u);
}

TEST(SeqBpe, EncodesWithItsMergesInOrderAndLosesNoByte) {
  test::TemporaryFolder folder;
  Random random(2);
  std::string text;
  for (int i = 0; i < 6000; ++i) text += static_cast<char>('a' + random.below(1 + random.below(5)));
  TrainingTexts texts({folder.write("t", text)}, {});
  TrainingRequest request;
  request.vocab_size = 290;
  request.specials = {"<s>"};
  const TrainedTokenizer made = seq_bpe_trainer({.least = 1})->train(texts, request);
  EXPECT_EQ(made.tokens, 290);
  const auto tokenizer = parse_tokenizer_json(made.json, "test");
  EXPECT_EQ(tokenizer->vocabulary().find("<s>"), 0);
  std::string tried = text.substr(0, 500) + "\xFF\xC3 \n" + text.substr(700, 100);
  const Encoding e = tokenizer->encode(tried);
  EXPECT_EQ(tokenizer->decode(e.ids), tried);
  EXPECT_LT(e.ids.size(), tried.size());
}

}  // namespace
}  // namespace tessera
