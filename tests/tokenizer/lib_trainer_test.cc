// Oracle: the same reader over a plain list that is searched from its front; and what the method
// must do on a lexicon that is small enough to be worked out by hand.
#include "tessera/tokenizer/train/lib_trainer.h"

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tessera/base/random.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/train/lib_learning.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using Text = std::u32string;
using Judged = std::vector<std::pair<Text, bool>>;

// The method as it is written down, with nothing that makes it fast.
class PlainReader {
 public:
  PlainReader(const LibLearningOptions& options, std::vector<Text> base)
      : o_(options), base_(base.begin(), base.end()), lexicon_(std::move(base)) {}

  void document(const std::vector<Text>& sentences) {
    Random random(o_.seed, documents_++);
    std::set<Text> candidates;
    Judged judged;
    for (const Text& s : sentences) {
      struct Test {
        Text unit;
        std::vector<Text> main, other;  // "" is an unknown character
        size_t at;
      };
      std::vector<Test> tests;
      const auto judge = [&](size_t at) {
        for (size_t t = 0; t < tests.size();) {
          Test& test = tests[t];
          while (test.at < at) {
            test.other.push_back(longest(s, test.at, Text::npos));
            test.at += std::max<size_t>(1, test.other.back().size());
          }
          if (test.at > at) {
            ++t;
            continue;
          }
          const auto weight = [&](const std::vector<Text>& branch) {
            size_t unknown = 0, sum = 0;
            for (const Text& u : branch) u.empty() ? ++unknown : sum += ordinal(u);
            return std::tuple(unknown, branch.size() - unknown, sum);
          };
          const bool redundant = weight(test.main) > weight(test.other);
          judged.emplace_back(test.unit, !redundant);
          if (redundant) {
            judged.emplace_back(longest(test.unit, 0, test.unit.size() - 1), true);
          } else {
            life_.erase(test.unit);
          }
          tests.erase(tests.begin() + static_cast<int64_t>(t));
        }
      };
      Text last;
      bool known = false;
      const auto most = static_cast<size_t>(o_.max_length);
      for (size_t i = 0; i < s.size();) {
        judge(i);
        const Text c1 = longest(s, i, Text::npos);
        const Text c2 = c1.empty() ? c1 : longest(s, i, c1.size() - 1);
        for (Test& test : tests) test.main.push_back(c1);
        if (c1.empty()) {
          last = known ? s.substr(i, 1) : last + s[i];
          known = false;
          ++i;
          continue;
        }
        if (c1.size() > 1 && !c2.empty()) {
          std::erase_if(tests, [&](const Test& t) { return t.unit == c1; });
          tests.push_back({c1, {c1}, {c2}, i + c2.size()});
        } else {
          life_.erase(c1);
        }
        if (random.uniform() < o_.alpha && !last.empty() && last.size() + c1.size() <= most) {
          const Text candidate = known                                             ? last + c1
                                 : last.size() <= static_cast<size_t>(o_.mini_gap) ? last
                                                                                   : Text();
          if (!candidate.empty() && !has(candidate)) {
            if (candidates.erase(candidate) == 1) {
              lexicon_.push_back(candidate);
            } else {
              candidates.insert(candidate);
            }
          }
        }
        last = c1;
        known = true;
        i += c1.size();
      }
      judge(s.size());
    }
    const std::vector<Text> before = lexicon_;
    for (const Text& u : before) {
      if (!life_.contains(u) || --life_[u] > 0) continue;
      life_.erase(u);
      std::erase(lexicon_, u);
    }
    for (const auto& [u, up] : judged) {
      if (!has(u) || o_.delta == 0) continue;
      const size_t at = ordinal(u), size = lexicon_.size();
      const size_t step = static_cast<size_t>(static_cast<double>(at) * o_.delta) + 1;
      lexicon_.erase(lexicon_.begin() + static_cast<int64_t>(at));
      if (!up && at + step >= size && !base_.contains(u)) {
        life_.erase(u);
        continue;
      }
      const size_t to = up ? at - std::min(at, step) : std::min(size - 1, at + step);
      lexicon_.insert(lexicon_.begin() + static_cast<int64_t>(to), u);
    }
    const auto share = static_cast<size_t>(o_.omega * static_cast<double>(lexicon_.size()));
    for (size_t i = lexicon_.size() - share; i < lexicon_.size(); ++i) {
      if (!base_.contains(lexicon_[i])) life_.try_emplace(lexicon_[i], o_.life);
    }
  }
  const std::vector<Text>& lexicon() const { return lexicon_; }

 private:
  bool has(const Text& u) const {
    return std::find(lexicon_.begin(), lexicon_.end(), u) != lexicon_.end();
  }
  size_t ordinal(const Text& u) const {
    return static_cast<size_t>(std::find(lexicon_.begin(), lexicon_.end(), u) - lexicon_.begin());
  }
  // The longest unit of at most `most` characters at a place; "": none.
  Text longest(const Text& s, size_t at, size_t most) const {
    Text out;
    most = std::min(most, static_cast<size_t>(o_.max_length));
    for (const Text& u : lexicon_) {
      if (u.size() > out.size() && u.size() <= most && s.compare(at, u.size(), u) == 0) out = u;
    }
    return out;
  }

  LibLearningOptions o_;
  std::set<Text> base_;
  std::vector<Text> lexicon_;
  std::map<Text, int64_t> life_;
  uint64_t documents_ = 0;
};

TEST(LibLearning, IsThePlainReader) {
  for (uint64_t round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    Random random(11, round);
    LibLearningOptions options;
    options.alpha = round % 3 == 0 ? 1 : 0.25;
    options.delta = round % 4 == 3 ? 0 : 0.4;
    options.omega = round % 2 == 0 ? 0.1 : 0;
    options.life = 2;
    options.max_length = round % 5 == 4 ? 3 : 8;
    options.seed = round;
    // One letter is not known at first.
    const std::vector<Text> base = {U"a", U"b", U"c", U" "};
    PlainReader plain(options, base);
    LibLearning fast(options);
    for (const Text& u : base) fast.add(u, true);
    std::vector<Text> words;
    for (int i = 0; i < 12; ++i) {
      Text word;
      for (size_t n = 1 + random.below(5); n > 0; --n) word += U"aabbcd"[random.below(6)];
      words.push_back(word);
    }
    for (int document = 0; document < 15; ++document) {
      std::vector<Text> sentences;
      for (int i = 0; i < 12; ++i) {
        Text s;
        for (size_t n = random.below(9); n > 0; --n) s += words[random.below(12)] + U" ";
        sentences.push_back(s);
        fast.read(s);
      }
      fast.end_document();
      plain.document(sentences);
      ASSERT_EQ(fast.lexicon(), plain.lexicon()) << "document " << document;
    }
    EXPECT_GT(fast.size(), base.size());
  }
}

std::vector<Text> hand_lexicon() { return {U"a", U"b", U"c", U"d", U"ab", U"abc", U"cd", U"bcd"}; }

Judged judged(const std::vector<Text>& lexicon, const Text& sentence) {
  LibLearning learning({.alpha = 0});
  for (const Text& u : lexicon) learning.add(u, u.size() == 1);
  learning.read(sentence);
  return learning.judgements();
}

// abc|d against ab|cd: both know two units, so that the sum of their places decides.
TEST(LibLearning, JudgesAHandMadeLexicon) {
  std::vector<Text> lexicon = hand_lexicon();
  EXPECT_EQ(judged(lexicon, U"abcd"), (Judged{{U"abc", true}}));  // 5 + 3 < 4 + 6
  std::rotate(lexicon.begin() + 3, lexicon.begin() + 4, lexicon.end());
  EXPECT_EQ(judged(lexicon, U"abcd"), (Judged{{U"abc", false}, {U"ab", true}}));  // 4 + 7 > 3 + 5
}

TEST(LibLearning, UnitsOnProbationGoAfterTheirLife) {
  LibLearning learning({.alpha = 0, .omega = 0.2, .life = 4});
  for (const Text& u : hand_lexicon()) learning.add(u, u.size() == 1);
  // The last one of eight is put on probation by the first end, and is not met again.
  for (int document = 0; document < 4; ++document) {
    learning.read(U"cd");
    learning.end_document();
    EXPECT_EQ(learning.size(), 8U);
  }
  learning.read(U"cd");
  learning.end_document();
  const auto left = learning.lexicon();
  EXPECT_EQ(std::count(left.begin(), left.end(), U"bcd"), 0);
  for (int document = 0; document < 40; ++document) learning.end_document();
  for (const Text& u : std::vector<Text>{U"a", U"b", U"c", U"d"}) {
    const auto now = learning.lexicon();
    EXPECT_EQ(std::count(now.begin(), now.end(), u), 1);
  }
}

TEST(LibLearning, WhatIsJudgedDownAtTheEndIsForgottenAtOnce) {
  // abc, last in the list, is worse than ab|cd.
  LibLearning learning({.alpha = 0});
  for (const Text& u : std::vector<Text>{U"a", U"b", U"c", U"ab", U"cd", U"d", U"abc"}) {
    learning.add(u, u.size() == 1);
  }
  learning.read(U"abcd");
  EXPECT_EQ(learning.judgements().front(), (std::pair<Text, bool>(U"abc", false)));
  learning.end_document();
  EXPECT_EQ(learning.size(), 6U);
}

TEST(LibLearning, WithoutForgettingItOnlyGrowsAndWithoutMovesItKeepsTheOrderOfAdmission) {
  for (const bool moves : {false, true}) {
    LibLearning learning({.alpha = 1,
                          .delta = moves ? 0.2 : 0,
                          .omega = moves ? 0 : 0.3,
                          .life = moves ? 2 : 1000000,
                          .max_length = 3});
    for (const Text& u : std::vector<Text>{U"a", U"b", U"c"}) learning.add(u, true);
    std::vector<Text> before = learning.lexicon();
    Random random(9);
    for (int document = 0; document < 20; ++document) {
      Text text;
      // Of pairs of letters alone nothing is judged down: a longer unit is one token, two are two.
      for (int i = 0; i < 40; ++i) text += U"abc"[random.below(3)];
      learning.read(text);
      bool down = false;
      for (const auto& [unit, up] : learning.judgements()) down = down || !up;
      const size_t size = learning.size();
      learning.end_document();
      if (!moves) {
        const auto now = learning.lexicon();
        ASSERT_TRUE(std::equal(before.begin(), before.end(), now.begin()));
        before = now;
      } else if (!down) {
        EXPECT_EQ(learning.size(), size);
      }
    }
    EXPECT_GT(learning.size(), 6U);
  }
}

std::string prose() {
  Random random(4);
  const std::vector<std::string> words = {
      "in", "the", "house", "of", "a", "cat", "\xC3\xA9t\xC3\xA9"};
  std::string text;
  for (int i = 0; i < 4000; ++i) text += words[random.below(words.size())] + (i % 9 ? " " : "\n");
  return text;
}

TrainedTokenizer train(const LibTrainerOptions& options, const std::string& file, int64_t size) {
  TrainingTexts texts({file}, {});
  TrainingRequest request;
  request.vocab_size = size;
  return lib_trainer(options)->train(texts, request);
}

TEST(LibTrainer, WithoutPairsOrWithOneCharacterItKnowsCharacters) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", prose());
  // The unknown token, bytes, and the one character that is none.
  EXPECT_EQ(train({.alpha = 0}, file, 1000).tokens, 258);
  EXPECT_EQ(train({.max_len = 1}, file, 1000).tokens, 258);
  EXPECT_EQ(train({.alpha = 0, .limit_alphabet = 3}, file, 1000).tokens, 257);
}

TEST(LibTrainer, LearnsPhrasesAndLosesNoByte) {
  test::TemporaryFolder folder;
  const std::string text = prose(), file = folder.write("t", text);
  const auto made = train({}, file, 330);
  EXPECT_EQ(made.tokens, 330);
  EXPECT_EQ(train({}, file, 330).json, made.json);
  EXPECT_NE(train({.seed = 1}, file, 330).json, made.json);
  const auto tokenizer = parse_tokenizer_json(made.json, "test");
  const auto ids = tokenizer->encode(text).ids;
  EXPECT_LT(ids.size(), 4000U);  // less than one a word
  EXPECT_EQ(tokenizer->decode(ids), text);
  Random random(5);
  for (int round = 0; round < 300; ++round) {
    std::string noise(random.below(60), ' ');
    for (char& c : noise) c = static_cast<char>(random.below(256));
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(noise).ids), noise);
  }
  ASSERT_EQ(made.figures.size(), 4U);
  EXPECT_DOUBLE_EQ(made.figures[1].value + made.figures[2].value, made.figures[3].value);
}

TEST(LibTrainer, ALexiconWithACapHasNoMoreUnits) {
  test::TemporaryFolder folder;
  EXPECT_LE(train({.cap = true}, folder.write("t", prose()), 280).tokens, 280);
}

}  // namespace
}  // namespace tessera
