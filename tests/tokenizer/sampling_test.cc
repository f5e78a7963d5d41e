// Random ways to cut a text, and the best ones, against all ways tried one after another.
#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/tokenizer/best_choices.h"
#include "tessera/tokenizer/bpe.h"
#include "tessera/tokenizer/id_buffer.h"
#include "tessera/tokenizer/unigram.h"
#include "tests/tokenizer/fixtures.h"

namespace tessera {
namespace {

using Ids = std::vector<TokenId>;

Ids ids_of(const std::vector<ModelToken>& tokens) {
  Ids out;
  for (const ModelToken& t : tokens) out.push_back(t.id);
  return out;
}

constexpr int kDraws = 20000;

std::map<Ids, int> draw_many(const Model& model, std::string_view text, const Sampling& sampling) {
  Random random(7);
  std::map<Ids, int> seen;
  for (int i = 0; i < kDraws; ++i) {
    std::vector<ModelToken> tokens;
    model.draw(text, false, sampling, random, tokens);
    uint32_t at = 0;
    for (const ModelToken& t : tokens) {
      EXPECT_EQ(t.begin, at);
      at = t.end;
    }
    EXPECT_EQ(at, text.size());
    ++seen[ids_of(tokens)];
  }
  return seen;
}

// Five standard deviations: by chance in one of a million and a half.
void expect_shares(const std::map<Ids, int>& seen, const std::map<Ids, double>& expected) {
  for (const auto& [ids, count] : seen) EXPECT_TRUE(expected.contains(ids)) << count;
  for (const auto& [ids, share] : expected) {
    const auto it = seen.find(ids);
    const double count = it == seen.end() ? 0 : it->second;
    EXPECT_NEAR(count / kDraws, share, 5 * std::sqrt(share * (1 - share) / kDraws) + 1e-9);
  }
}

TEST(BestChoices, EqualAllChoicesSorted) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<double>> lists(random() % 5);
    std::vector<double> sums = {0};
    for (auto& list : lists) {
      list.resize(1 + random() % 4);
      for (double& x : list) x = -static_cast<double>(random() % 10);
      std::sort(list.rbegin(), list.rend());
      std::vector<double> next;
      for (const double sum : sums) {
        for (const double x : list) next.push_back(sum + x);
      }
      sums = next;
    }
    std::sort(sums.rbegin(), sums.rend());
    const size_t count = 1 + random() % 8;
    const auto best = best_choices(lists, count);
    ASSERT_EQ(best.size(), std::min(count, sums.size()));
    std::set<std::vector<uint32_t>> different;
    for (size_t i = 0; i < best.size(); ++i) {
      EXPECT_EQ(best[i].sum, sums[i]);
      double sum = 0;
      for (size_t k = 0; k < lists.size(); ++k) sum += lists[k][best[i].items[k]];
      EXPECT_EQ(sum, sums[i]);
      different.insert(best[i].items);
    }
    EXPECT_EQ(different.size(), best.size());
  }
}

struct Pieces {
  std::vector<std::string> texts = {"a", "b", "c", "ab", "bc", "abc", "ca"};
  std::vector<double> scores = {-2, -3, -2.5, -3.5, -4, -5, -6};
  std::vector<UnigramPiece> list;
  Pieces() {
    for (size_t i = 0; i < texts.size(); ++i) {
      list.push_back({texts[i], static_cast<TokenId>(i + 1), scores[i]});
    }
  }
  std::unique_ptr<Model> model() const {
    UnigramOptions options;
    options.unknown = 0;
    options.unknown_score = -12;
    options.look_up_fused = false;
    return unigram_model(list, {}, options);
  }
  // All ways to cut a text of letters, unknown ones being single characters.
  void all(std::string_view text, Ids ids, double sum, std::map<Ids, double>& out) const {
    if (text.empty()) {
      out[ids] = sum;
      return;
    }
    bool single = false;
    for (size_t i = 0; i < texts.size(); ++i) {
      if (!text.starts_with(texts[i])) continue;
      single = single || texts[i].size() == 1;
      Ids next = ids;
      next.push_back(static_cast<TokenId>(i + 1));
      all(text.substr(texts[i].size()), next, sum + scores[i], out);
    }
    if (single) return;
    ids.push_back(0);
    all(text.substr(1), ids, sum - 12, out);
  }
};

TEST(UnigramWays, BestOnesEqualAllWaysSorted) {
  const Pieces pieces;
  const auto model = pieces.model();
  for (const std::string text : {"abcabca", "abxcab", "x", "ccc"}) {
    std::map<Ids, double> all;
    pieces.all(text, {}, 0, all);
    std::vector<double> sums;
    for (const auto& [ids, sum] : all) sums.push_back(sum);
    std::sort(sums.rbegin(), sums.rend());
    const auto best = model->best_ways(text, false, 5);
    ASSERT_EQ(best.size(), std::min<size_t>(5, sums.size()));
    std::set<Ids> different;
    for (size_t i = 0; i < best.size(); ++i) {
      EXPECT_NEAR(best[i].score, sums[i], 1e-9);
      const Ids ids = ids_of(best[i].tokens);
      ASSERT_TRUE(all.contains(ids));
      EXPECT_NEAR(all[ids], sums[i], 1e-9);
      different.insert(ids);
    }
    EXPECT_EQ(different.size(), best.size());
    std::vector<ModelToken> usual;
    model->encode(text, false, usual);
    EXPECT_EQ(ids_of(best[0].tokens), ids_of(usual));
  }
}

TEST(UnigramWays, AreDrawnAsOftenAsTheirScoresSay) {
  const Pieces pieces;
  const auto model = pieces.model();
  for (const double rate : {0.0, 0.3, 1.0}) {
    std::map<Ids, double> all;
    pieces.all("abcab", {}, 0, all);
    double sum = 0;
    for (auto& [ids, share] : all) sum += share = std::exp(rate * share);
    for (auto& [ids, share] : all) share /= sum;
    expect_shares(draw_many(*model, "abcab", {.rate = rate}), all);
  }
}

TEST(UnigramWays, AreDrawnAmongTheBestOnly) {
  const Pieces pieces;
  const auto model = pieces.model();
  std::map<Ids, double> expected;
  double sum = 0;
  for (const auto& way : model->best_ways("abcab", false, 3)) {
    sum += expected[ids_of(way.tokens)] = std::exp(0.5 * way.score);
  }
  for (auto& [ids, share] : expected) share /= sum;
  expect_shares(draw_many(*model, "abcab", {.rate = 0.5, .best = 3}), expected);
  const auto large = draw_many(*model, "abcab", {.rate = 1e4});
  EXPECT_EQ(large.size(), 1U);
}

TEST(UnigramWays, TooManyAreRefused) {
  const auto model = Pieces().model();
  EXPECT_THROW(model->best_ways(std::string(1 << 20, 'a'), false, 1000), Error);
}

// Byte pairs over a..d; id of a piece: its place.
struct Merges {
  std::vector<std::string> texts = {"a", "b", "c", "d", "ab", "bc", "cd", "abcd", "aa"};
  std::vector<std::tuple<std::string, std::string>> merges = {
      {"a", "b"}, {"b", "c"}, {"c", "d"}, {"ab", "cd"}, {"a", "a"}};
  TokenId id(std::string_view text) const {
    return static_cast<TokenId>(std::find(texts.begin(), texts.end(), text) - texts.begin());
  }
  std::unique_ptr<Model> model(bool retries, std::optional<double> dropout = {}) const {
    PieceTable table;
    for (const std::string& text : texts) table.insert(text, id(text));
    std::vector<BpeMerge> list;
    for (const auto& [left, right] : merges) {
      list.push_back({id(left), id(right), id(left + right), static_cast<uint32_t>(list.size())});
    }
    BpeOptions options;
    options.retries = retries;
    options.dropout = dropout;
    return byte_pair_model(std::move(table), list, {}, std::move(options));
  }

  // Oracle: every course that the merging of `symbols` can take, and how likely it is.
  using Passed = std::set<std::pair<size_t, std::string>>;
  void courses(const std::vector<std::string>& symbols, const Passed& passed, double rate,
               bool retries, double chance, std::map<Ids, double>& out) const {
    std::vector<std::pair<size_t, size_t>> possible;  // rank, place
    std::vector<std::pair<size_t, std::string>> names;
    for (size_t i = 0, begin = 0; i + 1 < symbols.size(); begin += symbols[i++].size()) {
      names.emplace_back(begin, symbols[i] + "|" + symbols[i + 1]);
      const auto it =
          std::find(merges.begin(), merges.end(), std::make_tuple(symbols[i], symbols[i + 1]));
      if (it == merges.end() || passed.contains(names[i])) continue;
      possible.emplace_back(it - merges.begin(), i);
    }
    std::sort(possible.begin(), possible.end());
    Passed now = passed;
    for (const auto& [rank, place] : possible) {
      std::vector<std::string> next = symbols;
      next[place] += next[place + 1];
      next.erase(next.begin() + static_cast<ptrdiff_t>(place) + 1);
      courses(next, retries ? Passed() : now, rate, retries, chance * (1 - rate), out);
      chance *= rate;
      now.insert(names[place]);
    }
    Ids ids;
    for (const std::string& symbol : symbols) ids.push_back(id(symbol));
    out[ids] += chance;
  }
};

TEST(BpeDropout, DrawsEachWayAsOftenAsItsCoursesSay) {
  const Merges merges;
  for (const bool retries : {true, false}) {
    const auto model = merges.model(retries);
    for (const double rate : {0.1, 0.5}) {
      for (const std::string text : {"abcd", "aaab", "abcdbc"}) {
        std::vector<std::string> symbols;
        for (const char c : text) symbols.emplace_back(1, c);
        std::map<Ids, double> expected;
        merges.courses(symbols, {}, rate, retries, 1, expected);
        expect_shares(draw_many(*model, text, {.rate = rate}), expected);
      }
    }
  }
}

TEST(BpeDropout, NothingPassedIsTheUsualWayAllPassedIsCharacters) {
  const Merges merges;
  const auto model = merges.model(true, 1.0);
  std::mt19937 random(3);
  for (int i = 0; i < 50; ++i) {
    std::string text;
    for (size_t n = 1 + random() % 200; n > 0; --n) text += "abcd"[random() % 4];
    std::vector<ModelToken> usual, drawn, none;
    Random draws(1);
    model->encode(text, false, usual);
    model->draw(text, false, {.rate = 0.0}, draws, drawn);
    EXPECT_EQ(ids_of(drawn), ids_of(usual));
    model->draw(text, false, {}, draws, none);  // the model's own rate
    EXPECT_EQ(none.size(), text.size());
  }
}

TEST(Sampling, OfATextIsRepeatableAndDecodesToIt) {
  auto json = fixtures::byte_level_json();
  json["model"]["dropout"] = 0.5;
  const auto tokenizer = fixtures::parse(json);
  const std::string text = "hello hello <|a|> hello plain\xFF hello";
  EncodeOptions options;
  options.special_in_text = true;
  const Encoding usual = tokenizer->encode(text, options);
  const TokenId added = tokenizer->vocabulary().find("<|a|>").value();
  std::set<Ids> different;
  for (uint64_t stream = 0; stream < 30; ++stream) {
    options.sampling = Sampling{.seed = 5, .stream = stream};
    const Encoding drawn = tokenizer->encode(text, options);
    EXPECT_EQ(drawn.ids, tokenizer->encode(text, options).ids);
    EXPECT_EQ(tokenizer->decode(drawn.ids, false), text);
    EXPECT_EQ(std::count(drawn.ids.begin(), drawn.ids.end(), added), 1);
    IdBuffer fast;
    tokenizer->encode_ids(text, options, fast);
    EXPECT_TRUE(std::ranges::equal(fast.ids(), drawn.ids));
    different.insert(drawn.ids);
  }
  EXPECT_GT(different.size(), 10U);
  options.sampling->rate = 0;
  EXPECT_EQ(tokenizer->encode(text, options).ids, usual.ids);
  EXPECT_THROW(tokenizer->encode_best(text, 2), Error);
  EXPECT_THROW(tokenizer->encode_best("", 2), Error);
}

}  // namespace
}  // namespace tessera
