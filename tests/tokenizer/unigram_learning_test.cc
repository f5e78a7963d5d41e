#include "tessera/tokenizer/train/unigram_learning.h"

#include <cmath>
#include <functional>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tessera/base/random.h"

namespace tessera {
namespace {

using Text = std::u32string;

struct Corpus {
  std::vector<std::pair<Text, int64_t>> texts;
  SpelledWords words;
};

Corpus random_corpus(Random& random, size_t letters, size_t words, size_t longest) {
  Corpus out;
  std::map<Text, int64_t> distinct;
  for (size_t i = 0; i < words; ++i) {
    Text word(1 + random.below(longest), U'a');
    for (char32_t& c : word) c = static_cast<char32_t>(U'a' + random.below(letters));
    distinct[word] += static_cast<int64_t>(1 + random.below(9));
  }
  for (const auto& [word, count] : distinct) {
    out.texts.emplace_back(word, count);
    out.words.add(word, count);
  }
  return out;
}

Text text_of(const Corpus& corpus, size_t begin, size_t length) {
  Text out;
  for (size_t i = 0; i < length; ++i) out += corpus.words.text[begin + i] - 1;
  return out;
}

// Oracle: every substring, counted where it stands; those that one character always follows (the
// word's end counts as one) say nothing that the longer one does not.
std::map<Text, double> substrings(const Corpus& corpus, size_t longest) {
  std::map<Text, std::pair<int64_t, std::set<char32_t>>> found;
  for (const auto& [word, count] : corpus.texts) {
    for (size_t i = 0; i < word.size(); ++i) {
      for (size_t n = 2; n <= longest && i + n <= word.size(); ++n) {
        auto& entry = found[word.substr(i, n)];
        ++entry.first;
        entry.second.insert(i + n < word.size() ? word[i + n] : 0);
      }
    }
  }
  std::map<Text, double> out;
  for (const auto& [text, entry] : found) {
    if (entry.second.size() < 2) continue;
    out[text] = static_cast<double>(entry.first) * static_cast<double>(text.size());
  }
  return out;
}

TEST(SeedPieces, AreTheRepeatedSubstringsWithAllTheirPlaces) {
  Random random(1);
  for (int round = 0; round < 100; ++round) {
    const Corpus corpus = random_corpus(random, 1 + random.below(4), 1 + random.below(30), 14);
    const size_t longest = 2 + random.below(10);
    const auto wanted = substrings(corpus, longest);
    std::map<Text, double> found;
    double before = HUGE_VAL;
    for (const SeedPiece& piece : seed_pieces(corpus.words, longest, 100000)) {
      const Text text = text_of(corpus, piece.begin, piece.length);
      for (uint32_t place : piece.all) EXPECT_EQ(text_of(corpus, place, piece.length), text);
      if (piece.length == 1) continue;
      EXPECT_LE(piece.score, before);
      before = piece.score;
      EXPECT_EQ(piece.score, static_cast<double>(piece.all.size() * piece.length));
      EXPECT_TRUE(found.emplace(text, piece.score).second);
    }
    EXPECT_EQ(found, wanted);
  }
}

TEST(SeedPieces, KeepAllCharactersWhateverTheLimit) {
  Random random(2);
  const Corpus corpus = random_corpus(random, 5, 30, 9);
  EXPECT_EQ(seed_pieces(corpus.words, 16, 3).size(), 5U);
  EXPECT_EQ(seed_pieces(corpus.words, 16, 12).size(), 12U);
}

// Oracle: every substring of whole texts, by what stands behind it there.
TEST(SeedPieces, OfWordsWithWhatFollowsThemAreThoseOfTheTexts) {
  Random random(3);
  for (int round = 0; round < 100; ++round) {
    std::map<std::pair<Text, char32_t>, int64_t> words;
    std::map<Text, std::pair<int64_t, std::set<char32_t>>> found;
    for (size_t t = 0, texts = 1 + random.below(12); t < texts; ++t) {
      Text text;
      std::vector<size_t> begins;
      for (size_t w = 0, n = 1 + random.below(5); w < n; ++w) {
        begins.push_back(text.size());
        text += U' ';
        for (size_t i = 0, size = random.below(5); i < size; ++i) {
          text += static_cast<char32_t>(U'a' + random.below(3));
        }
      }
      for (size_t w = 0; w < begins.size(); ++w) {
        const size_t end = w + 1 < begins.size() ? begins[w + 1] : text.size();
        const Text word = text.substr(begins[w], end - begins[w]);
        ++words[{word, end < text.size() ? SpelledWords::kFollowed : SpelledWords::kEnd}];
        for (size_t i = 0; i < word.size(); ++i) {
          for (size_t n = 2; n <= 4 && i + n <= word.size(); ++n) {
            auto& entry = found[word.substr(i, n)];
            ++entry.first;
            entry.second.insert(begins[w] + i + n < text.size() ? text[begins[w] + i + n] : 0);
          }
        }
      }
    }
    std::map<Text, double> wanted, got;
    const auto allowed = [](std::span<const char32_t> c) { return c.size() < 2 || c[1] != U'b'; };
    for (const auto& [text, entry] : found) {
      if (entry.second.size() < 2 || !allowed(text)) continue;
      wanted[text] = static_cast<double>(entry.first) * static_cast<double>(text.size());
    }
    Corpus corpus;
    for (const auto& [word, count] : words) corpus.words.add(word.first, count, word.second);
    for (const SeedPiece& piece :
         seed_pieces(corpus.words, 4, 100000, {.by_count = true, .allowed = allowed})) {
      if (piece.length > 1) got[text_of(corpus, piece.begin, piece.length)] = piece.score;
    }
    EXPECT_EQ(got, wanted);
  }
}

// Adds to `sum` how often each piece is expected in a word, over all ways to cut it.
void add_expected(const Text& word, double count, const std::map<Text, double>& scores,
                  std::map<Text, double>& sum) {
  double all = 0;
  std::map<Text, double> found;
  std::vector<Text> path;
  const std::function<void(size_t, double)> go = [&](size_t at, double probability) {
    if (at == word.size()) {
      all += probability;
      for (const Text& piece : path) found[piece] += probability;
      return;
    }
    for (size_t n = 1; at + n <= word.size(); ++n) {
      const auto piece = scores.find(word.substr(at, n));
      if (piece == scores.end()) continue;
      path.push_back(piece->first);
      go(at + n, probability * std::exp(piece->second));
      path.pop_back();
    }
  };
  go(0, 1);
  for (const auto& [piece, weight] : found) sum[piece] += count * weight / all;
}

void expect_one_round(Corpus& corpus, int64_t threads) {
  const std::vector<SeedPiece> seeds = seed_pieces(corpus.words, 16, 100000);
  std::map<Text, double> scores, expected;
  double sum = 0, kept = 0;
  for (const SeedPiece& seed : seeds) sum += seed.score;
  for (const SeedPiece& seed : seeds) {
    scores[text_of(corpus, seed.begin, seed.length)] = std::log(seed.score / sum);
  }
  for (const auto& [word, count] : corpus.texts) {
    add_expected(word, static_cast<double>(count), scores, expected);
  }
  std::map<Text, double> wanted;
  for (const auto& [piece, count] : expected) {
    if (count >= 0.5) kept += count;
  }
  for (const auto& [piece, count] : expected) {
    if (count >= 0.5) wanted[piece] = digamma(count) - digamma(kept);
  }
  const auto learned = learn_unigram(
      corpus.words, seeds, {.target = seeds.size() + 10, .rounds = 1, .threads = threads});
  ASSERT_EQ(learned.size(), wanted.size());
  for (const LearnedPiece& piece : learned) {
    // Sums of a few hundred terms in another order.
    EXPECT_NEAR(piece.score, wanted.at(text_of(corpus, piece.begin, piece.length)), 1e-9);
  }
}

TEST(UnigramLearning, OneRoundIsTheSumOverAllCuts) {
  Random random(3);
  for (int round = 0; round < 40; ++round) {
    Corpus corpus = random_corpus(random, 2 + random.below(4), 2 + random.below(30), 10);
    expect_one_round(corpus, 1 + round % 3);
  }
}

// Words so long that probabilities are no numbers any more are summed as logarithms: the same piece
// scores come from the word and from its halves, which no piece crosses.
TEST(UnigramLearning, LongWordsAreSummedLikeShortOnes) {
  const auto learn = [](size_t repeats, int64_t count) {
    SpelledWords words;
    Text word;
    for (size_t i = 0; i < repeats; ++i) word += U"ab";
    words.add(word, count);
    std::map<size_t, double> scores;
    std::vector<SeedPiece> seeds = seed_pieces(words, 1, 100);
    for (const LearnedPiece& p : learn_unigram(words, seeds, {.target = 100})) {
      scores[words.text[p.begin]] = p.score;
    }
    return scores;
  };
  const auto is = learn(4000, 1), wanted = learn(4, 1000);
  ASSERT_EQ(is.size(), 2U);
  for (const auto& [code, score] : wanted) EXPECT_NEAR(is.at(code), score, 1e-9);
}

TEST(UnigramLearning, ThreadsChangeNoBit) {
  Random random(4);
  const Corpus corpus = random_corpus(random, 8, 400, 12);
  const auto seeds = seed_pieces(corpus.words, 8, 100000);
  const auto one = learn_unigram(corpus.words, seeds, {.target = 60, .threads = 1});
  const auto three = learn_unigram(corpus.words, seeds, {.target = 60, .threads = 3});
  ASSERT_EQ(one.size(), three.size());
  EXPECT_LE(one.size(), 66U);
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].begin, three[i].begin);
    EXPECT_EQ(one[i].score, three[i].score);
  }
}

// Values of the function: -Euler's constant at 1, and f(x + 1) = f(x) + 1 / x.
TEST(UnigramLearning, DigammaIsTheDerivativeOfLogGamma) {
  EXPECT_NEAR(digamma(1), -0.5772156649015329, 1e-9);
  for (double x : {0.5, 0.7, 3.0, 6.9, 20.0, 1e6}) {
    EXPECT_NEAR(digamma(x + 1), digamma(x) + 1 / x, 1e-8) << x;
  }
}

}  // namespace
}  // namespace tessera
