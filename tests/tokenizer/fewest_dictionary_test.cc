#include "tessera/tokenizer/train/fewest_dictionary.h"

#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "tessera/base/random.h"
#include "tessera/tokenizer/boundaries.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/train/lib_trainer.h"
#include "tessera/tokenizer/train/sub_units.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

std::vector<std::string> random_lexicon(Random& random, size_t letters) {
  std::vector<std::string> out;
  std::set<std::string> known;
  while (out.size() < 20) {
    std::string unit(1 + random.below(5), ' ');
    for (char& c : unit) c = static_cast<char>('a' + random.below(letters));
    if (known.insert(unit).second) out.push_back(unit);
  }
  return out;
}

// Oracle: all ways to cut a text.
TEST(FewestTokens, AreThoseOfTheBestOfAllCuts) {
  Random random(1);
  for (int round = 0; round < 1000; ++round) {
    const auto lexicon = random_lexicon(random, 3);
    const FewestTokens fewest(lexicon);
    std::string text(random.below(15), ' ');
    for (char& c : text) c = static_cast<char>('a' + random.below(3));
    CutCost best;
    bool any = false;
    const std::function<void(size_t, CutCost)> go = [&](size_t at, CutCost cost) {
      if (at == text.size()) {
        if (!any || cost < best) best = cost;
        any = true;
        return;
      }
      for (size_t i = 0; i < lexicon.size(); ++i) {
        if (text.compare(at, lexicon[i].size(), lexicon[i]) != 0) continue;
        go(at + lexicon[i].size(), {cost.tokens + 1, cost.ordinals + static_cast<int64_t>(i)});
      }
    };
    go(0, {});
    const auto cut = fewest.cut(text);
    EXPECT_EQ(any && !text.empty(), !cut.empty()) << text;
    if (!any) continue;
    EXPECT_EQ(fewest.cost(cut), best) << text;
    std::string joined;
    for (int64_t ordinal : cut) joined += lexicon[static_cast<size_t>(ordinal)];
    EXPECT_EQ(joined, text);
  }
}

std::string phrases() {
  Random random(2);
  const std::vector<std::string> words = {"in", "the", "can", "you", "sea", "season", "sun", "on"};
  std::string out;
  for (int i = 0; i < 3000; ++i) out += words[random.below(8)] + (i % 12 == 0 ? "\n" : " ");
  return out;
}

TEST(LibTrainer, CutsIntoAsFewTokensAsCanBe) {
  test::TemporaryFolder folder;
  const std::string text = phrases(), file = folder.write("t", text);
  TrainingTexts texts({file}, {});
  TrainingRequest request;
  request.vocab_size = 500;
  const auto made = lib_trainer({.documents = 40, .encode = "fewest"})->train(texts, request);
  EXPECT_EQ(made.tokens, 500);
  const auto fewest = parse_tokenizer_json(made.json, "test");
  std::vector<std::string> tokens;
  for (TokenId id = 257; id < fewest->vocabulary().size(); ++id) {
    tokens.emplace_back(fewest->vocabulary().bytes(id));
  }
  const FewestTokens plain(tokens);
  size_t saved = 0;
  for (size_t at = 0; at < text.size(); at += 200) {
    const std::string part = text.substr(at, 200);
    const size_t few = fewest->encode(part).ids.size();
    size_t many = 0;
    for (size_t begin = 0; begin < part.size(); ++many) {
      size_t longest = 0;
      for (const std::string& token : tokens) {
        if (part.compare(begin, token.size(), token) == 0)
          longest = std::max(longest, token.size());
      }
      begin += longest;
    }
    EXPECT_EQ(few, plain.cut(part).size());
    EXPECT_LE(few, many);
    saved += many - few;
  }
  EXPECT_GT(saved, 0U);
  EXPECT_EQ(fewest->decode(fewest->encode("<0x41> [UNK").ids), "<0x41> [UNK");
  Random random(3);
  for (int round = 0; round < 200; ++round) {
    std::string noise(random.below(60), ' ');
    for (char& c : noise) c = static_cast<char>(random.below(256));
    EXPECT_EQ(fewest->decode(fewest->encode(noise).ids), noise);
  }
}

TEST(SubUnits, AreBetterKnownThanTheUnitTheyMake) {
  const std::vector<std::string> units = {"in",  "t",         "the",  "inthe",       "i", "nthe",
                                          "sea", "intheseas", "seas", "intheseason", "on"};
  const SubUnits sub(units);
  using Parts = std::vector<std::string>;
  EXPECT_EQ(sub.split("inthe"), (Parts{"in", "the"}));
  // Both parts of "seas" would have to come before it; "s" is none.
  EXPECT_EQ(sub.split("seas"), (Parts{"seas"}));
  // "intheseas" and "on" make it, but "on" is less known; "inthe" with "season" is no pair.
  EXPECT_EQ(sub.split("intheseason"), (Parts{"intheseason"}));
  EXPECT_EQ(sub.split("unknown"), (Parts{"unknown"}));
  const SubUnits deep(std::vector<std::string>{"a", "b", "ab", "ba", "abba", "abbaabba"});
  // Two levels, and no more.
  EXPECT_EQ(deep.split("abbaabba"), (Parts{"ab", "ba", "ab", "ba"}));
  EXPECT_EQ(deep.split("abba"), (Parts{"a", "b", "b", "a"}));
}

TEST(SubUnits, OfAllPairsTheFirstInTheLexiconWins) {
  const SubUnits sub(std::vector<std::string>{"ab", "c", "a", "bc", "abc"});
  EXPECT_EQ(sub.split("abc"), (std::vector<std::string>{"ab", "c"}));
  const SubUnits other(std::vector<std::string>{"a", "bc", "ab", "c", "abc"});
  EXPECT_EQ(other.split("abc"), (std::vector<std::string>{"a", "bc"}));
}

TEST(BoundaryCounts, CountWhatIsInBoth) {
  BoundaryCounts counts;
  EXPECT_EQ(counts.f1(), 0);
  counts.add(std::vector<int64_t>{2, 5, 7}, std::vector<int64_t>{1, 2, 7, 9, 11});
  EXPECT_EQ(counts.hits, 2);
  EXPECT_DOUBLE_EQ(counts.precision(), 2.0 / 3);
  EXPECT_DOUBLE_EQ(counts.recall(), 0.4);
  EXPECT_DOUBLE_EQ(counts.f1(), 0.5);
  counts.add({}, std::vector<int64_t>{4});
  EXPECT_DOUBLE_EQ(counts.recall(), 2.0 / 6);
}

}  // namespace
}  // namespace tessera
