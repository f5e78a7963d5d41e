#include "tessera/text/duplicates.h"

#include <cmath>
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/base/rounds.h"

namespace tessera {
namespace {

std::string words(std::mt19937& random, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    for (unsigned n = 2 + random() % 7; n > 0; --n) text += static_cast<char>('a' + random() % 26);
    text += ' ';
  }
  return text;
}

std::set<std::string> shingles(const std::string& text, size_t size) {
  std::set<std::string> out;
  for (size_t i = 0; i + size <= text.size(); ++i) out.insert(text.substr(i, size));
  return out;
}

double jaccard(const std::string& a, const std::string& b, size_t size) {
  const auto one = shingles(a, size), two = shingles(b, size);
  size_t common = 0;
  for (const auto& s : one) common += two.count(s);
  return static_cast<double>(common) / static_cast<double>(one.size() + two.size() - common);
}

// `text` with some words replaced.
std::string edited(std::string text, std::mt19937& random, int edits) {
  for (int i = 0; i < edits; ++i) text.replace(random() % (text.size() - 6), 6, words(random, 1));
  return text;
}

// Oracle: which documents were planted.
TEST(MinHash, FindsPlantedNearDuplicatesAndLittleElse) {
  std::mt19937 random(5);
  auto filter = make_duplicate_filter("minhash:threshold=0.8");
  std::vector<std::string> documents;
  std::vector<int> planted;  // -1: new
  constexpr int kPlanted = test::rounds(1000);
  for (int i = 0; i < 2 * kPlanted; ++i) {
    documents.push_back(words(random, 200 + static_cast<int>(random() % 200)));
    planted.push_back(-1);
  }
  for (int i = 0; i < kPlanted; ++i) {
    std::string copy = edited(documents[static_cast<size_t>(i)], random, 1 + i % 3);
    EXPECT_GT(jaccard(documents[static_cast<size_t>(i)], copy, 16), 0.8);
    documents.push_back(std::move(copy));
    planted.push_back(i);
  }
  int found = 0, wrong = 0;
  for (size_t i = 0; i < documents.size(); ++i) {
    const auto duplicate = filter->add(filter->sign(documents[i]), i);
    if (!duplicate) continue;
    planted[i] == static_cast<int>(duplicate->of) ? ++found : ++wrong;
  }
  EXPECT_GE(found, kPlanted * 95 / 100);
  EXPECT_LT(wrong, 10);
}

// Oracle: the formula; 400 pairs a point, three standard deviations and a little for the rounding
// of s.
TEST(MinHash, ComparesPairsAsOftenAsTheFormulaSays) {
  std::mt19937 random(6);
  const MinHashOptions options{.threshold = 0, .bands = 12, .rows = 5, .shingle = 4};
  for (int edits : {4, 8, 16, 32, 64}) {
    double expected = 0;
    int compared = 0;
    constexpr int kPairs = test::rounds(400);
    for (int i = 0; i < kPairs; ++i) {
      const std::string one = words(random, 120), two = edited(one, random, edits);
      auto filter = make_duplicate_filter("minhash:threshold=0,bands=12,rows=5,shingle=4");
      filter->add(filter->sign(one), 0);
      compared += filter->add(filter->sign(two), 1).has_value();
      expected += compared_share(jaccard(one, two, 4), options);
    }
    const double mean = expected / kPairs;
    EXPECT_NEAR(static_cast<double>(compared) / kPairs, mean,
                3 * std::sqrt(mean * (1 - mean) / kPairs) + 0.02)
        << edits;
  }
}

TEST(Duplicates, ExactOnesAreFoundWithEitherMethod) {
  for (const char* spec : {"exact", "minhash"}) {
    auto filter = make_duplicate_filter(spec);
    const auto add = [&](const char* text, uint64_t number) {
      return filter->add(filter->sign(text), number);
    };
    EXPECT_FALSE(add("", 0));
    EXPECT_FALSE(add("a", 1));
    EXPECT_FALSE(add("b", 2));
    EXPECT_EQ(add("a", 3)->of, 1U);
    EXPECT_EQ(add("", 4)->of, 0U);
    EXPECT_EQ(filter->text(), spec);
  }
}

TEST(Duplicates, WrongSpecsAreRefused) {
  EXPECT_EQ(make_duplicate_filter(""), nullptr);
  for (const char* spec : {"exat", "exact:a=1", "minhash:threshold=2", "minhash:bands=0",
                           "minhash:bands=1024,rows=64"}) {
    EXPECT_THROW(make_duplicate_filter(spec), Error) << spec;
  }
}

}  // namespace
}  // namespace tessera
