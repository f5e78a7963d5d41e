#include "tessera/tokenizer/unigram.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/tokenizer/id_buffer.h"
#include "tests/base/rounds.h"

namespace tessera {
namespace {

struct Case {
  std::vector<std::string> texts;
  std::vector<UnigramPiece> pieces;
  UnigramOptions options;
};

Case random_case(std::mt19937& random) {
  Case c;
  for (int i = 0; i < 12; ++i) {
    std::string text;
    for (size_t n = 1 + random() % 4; n > 0; --n) text += "abc"[random() % 3];
    if (std::find(c.texts.begin(), c.texts.end(), text) == c.texts.end()) c.texts.push_back(text);
  }
  for (size_t i = 0; i < c.texts.size(); ++i) {
    c.pieces.push_back(
        {c.texts[i], static_cast<TokenId>(i + 1), -static_cast<double>(random() % 64)});
  }
  c.options.unknown = 0;
  c.options.unknown_score = -100;
  c.options.look_up_fused = false;
  return c;
}

// Oracle: every way to cut the text, tried one after another.
double best_sum(const Case& c, std::string_view text) {
  if (text.empty()) return 0;
  double best = c.options.unknown_score + best_sum(c, text.substr(1));
  for (const UnigramPiece& p : c.pieces) {
    if (text.starts_with(p.text))
      best = std::max(best, p.score + best_sum(c, text.substr(p.text.size())));
  }
  return best;
}

TEST(Unigram, FindsTheGreatestSum) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Case c = random_case(random);
    c.options.sums = seed % 2 ? UnigramSums::doubles : UnigramSums::floats;
    const auto model = unigram_model(c.pieces, {}, c.options);
    std::string text;
    for (size_t n = random() % 12; n > 0; --n) text += "abcx"[random() % 4];
    std::vector<ModelToken> tokens;
    model->encode(text, false, tokens);
    double sum = 0;
    uint32_t at = 0;
    for (const ModelToken& t : tokens) {
      EXPECT_EQ(t.begin, at);
      at = t.end;
      if (t.id == 0) {
        sum += c.options.unknown_score * (t.end - t.begin);
        continue;
      }
      const UnigramPiece& p = c.pieces[static_cast<size_t>(t.id - 1)];
      EXPECT_EQ(text.substr(t.begin, t.end - t.begin), p.text);
      sum += p.score;
    }
    EXPECT_EQ(at, text.size());
    EXPECT_EQ(sum, best_sum(c, text));  // whole numbers: no sum is rounded
  }
}

std::vector<TokenId> encode(const std::vector<UnigramPiece>& pieces, UnigramOptions options,
                            std::string_view text, std::vector<bool> control = {},
                            bool allow = false) {
  std::vector<ModelToken> tokens;
  unigram_model(pieces, std::move(control), std::move(options))->encode(text, allow, tokens);
  std::vector<TokenId> ids;
  for (const ModelToken& t : tokens) ids.push_back(t.id);
  return ids;
}

TEST(Unigram, OfEqualSumsTheOneWithTheLongerLastPieceWins) {
  const std::vector<UnigramPiece> pieces = {{"a", 1, -1}, {"aa", 2, -1}, {"aaa", 3, -2}};
  EXPECT_EQ(encode(pieces, {.unknown = 0}, "aaa"), (std::vector<TokenId>{3}));
}

TEST(Unigram, UnknownNeighboursAreOneTokenOrTheirBytes) {
  const std::vector<UnigramPiece> pieces = {{"a", 1, -1}};
  UnigramOptions options;
  options.unknown = 0;
  options.unknown_score = -11;
  EXPECT_EQ(encode(pieces, options, "xyaz"), (std::vector<TokenId>{0, 1, 0}));
  options.byte_tokens.resize(256);
  for (int b = 0; b < 256; ++b) options.byte_tokens[static_cast<size_t>(b)] = 1000 + b;
  EXPECT_EQ(encode(pieces, options, "a\xC3\xA9"), (std::vector<TokenId>{1, 1195, 1169}));
  options.byte_tokens[0xA9] = -1;  // not all bytes have a token
  EXPECT_EQ(encode(pieces, options, "a\xC3\xA9"), (std::vector<TokenId>{1, 0}));
}

TEST(Unigram, WithoutAnUnknownTokenWhatIsUnknownIsAnError) {
  EXPECT_THROW(encode({{"a", 1, -1}}, {}, "ab"), Error);
  EXPECT_EQ(encode({{"a", 1, -1}}, {}, "aa"), (std::vector<TokenId>{1, 1}));
}

TEST(Unigram, ControlTokensAreNoPiecesOfContent) {
  const std::vector<UnigramPiece> pieces = {
      {"<", 1, -9}, {"s", 2, -9}, {">", 3, -9}, {"<s>", 4, 0}};
  const std::vector<bool> control = {false, false, false, false, true};
  EXPECT_EQ(encode(pieces, {.unknown = 0}, "<s>", control), (std::vector<TokenId>{1, 2, 3}));
  EXPECT_EQ(encode(pieces, {.unknown = 0}, "<s>", control, true), (std::vector<TokenId>{4}));
}

// Words looked up, against the whole text at once. Scores lie so near to each other, and sums
// become so large, that floats decide between them.
TEST(Unigram, WordByWordGivesTheIdsOfTheWholeText) {
  for (unsigned seed = 0; seed < test::rounds(60U); ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Case c;
    std::vector<std::string> texts = {"\xE2\x96\x81"};
    for (int i = 0; i < 40; ++i) {
      std::string text = random() % 2 ? "\xE2\x96\x81" : "";
      for (size_t n = 1 + random() % 3; n > 0; --n) text += "abcd"[random() % 4];
      texts.push_back(text + (random() % 5 == 0 ? "\xE4\xB8\xAD" : ""));
    }
    std::sort(texts.begin(), texts.end());
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    for (size_t i = 0; i < texts.size(); ++i) {
      const double step = static_cast<double>(random() % 4) / (seed % 3 == 0 ? 1e6 : 8);
      const double length = static_cast<double>(texts[i].size());
      c.pieces.push_back(
          {texts[i], static_cast<TokenId>(i + 1), static_cast<float>(-2.7 * length - step)});
    }
    c.options.sums = seed % 4 == 3 ? UnigramSums::doubles : UnigramSums::floats;
    c.options.unknown = 0;
    c.options.unknown_score = -37.3;
    c.options.look_up_fused = false;
    if (seed % 2 == 0) {
      for (int b = 0; b < 256; ++b) c.options.byte_tokens.push_back(1000 + b);
    }
    const auto model = unigram_model(c.pieces, {}, c.options);
    const auto runner = model->runner();
    ASSERT_TRUE(runner);
    for (const size_t words : {3, 40, 20000}) {
      std::string text;
      for (size_t i = 0; i < words; ++i) {
        text += ' ';
        for (size_t n = random() % 5; n > 0; --n) {
          constexpr std::string_view kLetters[] = {"a", "b", "c", "d", "\xE4\xB8\xAD", "x", " "};
          text += kLetters[random() % std::size(kLetters)];
        }
      }
      std::string spelled;
      for (const char letter : text) {
        letter == ' ' ? spelled.append("\xE2\x96\x81") : spelled.append(1, letter);
      }
      std::vector<ModelToken> whole;
      model->encode(spelled, false, whole);
      std::vector<TokenId> wanted;
      for (const ModelToken& t : whole) wanted.push_back(t.id);
      const std::string readable = text + std::string(32, '\0');
      for (int pass = 0; pass < 2; ++pass) {
        IdBuffer found;
        runner->run({readable.data(), text.size()}, false, found);
        ASSERT_TRUE(std::ranges::equal(found.ids(), wanted)) << words << " words, pass " << pass;
      }
    }
  }
}

TEST(Unigram, LongTextsTakeTimeInProportion) {
  const std::vector<UnigramPiece> pieces = {{"a", 1, -1}, {"aa", 2, -1.5}, {"aaaa", 3, -2}};
  const std::string text(1 << 20, 'a');
  EXPECT_EQ(encode(pieces, {.unknown = 0}, text), std::vector<TokenId>(text.size() / 4, 3));
}

}  // namespace
}  // namespace tessera
