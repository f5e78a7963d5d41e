// Oracle: a full encode of the text.
#include "tessera/tokenizer/token_counter.h"

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/base/rounds.h"
#include "tests/tokenizer/fixtures.h"

namespace tessera {
namespace {

using fixtures::Json;

constexpr EncodeOptions kPlain{.add_template = false};

Json with_pattern(const std::string& pattern, const std::string& behaviour, bool invert) {
  Json json = fixtures::byte_level_json();
  json["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers",
                            {{{"type", "Split"},
                              {"pattern", {{"Regex", pattern}}},
                              {"behavior", behaviour},
                              {"invert", invert}},
                             {{"type", "ByteLevel"},
                              {"add_prefix_space", false},
                              {"trim_offsets", true},
                              {"use_regex", false}}}}};
  return json;
}

constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kPossessive =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s*[\r\n]|\s+(?!\S)|\s)";

// The fixtures, and files in which each part that promises seams does so.
std::map<std::string, std::shared_ptr<const Tokenizer>> tokenizers() {
  auto out = fixtures::all_tokenizers();
  const Json bytes = fixtures::byte_level_json();
  out["Llama 3's pattern"] = fixtures::parse(with_pattern(kLlama3, "Isolated", false));
  out["a possessive pattern"] = fixtures::parse(with_pattern(kPossessive, "Removed", true));
  out["words and gaps"] = fixtures::parse(with_pattern(R"(\w+)", "Isolated", false));
  out["words without gaps"] = fixtures::parse(with_pattern(R"(\w+)", "Removed", false));
  out["a look behind"] = fixtures::parse(with_pattern(R"((?<=a)b|.)", "Isolated", false));
  Json json = bytes;
  json["pre_tokenizer"]["add_prefix_space"] = true;
  json["normalizer"] = {{"type", "NFC"}};
  json["added_tokens"][2]["single_word"] = true;
  out["prefix space, NFC, whole words"] = fixtures::parse(json);
  json["normalizer"] = {{"type", "Lowercase"}};
  json["added_tokens"][0]["rstrip"] = true;
  json["added_tokens"][2]["normalized"] = true;
  json["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Digits"}, {"individual_digits", true}}, bytes["pre_tokenizer"]}}};
  out["lower case, digits, stripped spaces"] = fixtures::parse(json);
  json = fixtures::byte_fallback_json();
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = {{"type", "Metaspace"},
                           {"replacement", "\xE2\x96\x81"},
                           {"prepend_scheme", "first"},
                           {"split", true}};
  out["Metaspace"] = fixtures::parse(json);
  json = fixtures::byte_fallback_json();
  json["model"]["byte_fallback"] = false;
  out["fused unknowns"] = fixtures::parse(json);
  json = fixtures::word_piece_json();
  json["pre_tokenizer"] = {{"type", "Whitespace"}};
  out["Whitespace"] = fixtures::parse(json);
  return out;
}

std::string long_text(std::mt19937& random, size_t parts) {
  std::string text;
  for (size_t i = 0; i < parts; ++i) text += fixtures::random_text(random, random() % 4 != 0);
  return text;
}

std::vector<TokenId> ids_of(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, kPlain).ids;
}

TEST(Seams, TheIdsOfBothSidesMakeTheIdsOfTheWhole) {
  size_t seams = 0;
  for (const auto& [name, tokenizer] : tokenizers()) {
    for (unsigned seed = 0; seed < test::rounds(400U); ++seed) {
      std::mt19937 random(seed);
      const std::string text = long_text(random, 3);
      const auto whole = ids_of(*tokenizer, text);
      for (size_t at = 0; at <= text.size(); ++at) {
        if (!tokenizer->seam(text, at)) continue;
        SCOPED_TRACE(name + ", seed " + std::to_string(seed) + ", byte " + std::to_string(at));
        ++seams;
        size_t begin = at - 1;
        while ((static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
        auto left = ids_of(*tokenizer, text.substr(0, at));
        const auto front = ids_of(*tokenizer, text.substr(begin, at - begin));
        const auto right = ids_of(*tokenizer, text.substr(begin));
        ASSERT_GE(right.size(), front.size());
        ASSERT_TRUE(std::equal(front.begin(), front.end(), right.begin()));
        left.insert(left.end(), right.begin() + static_cast<ptrdiff_t>(front.size()), right.end());
        ASSERT_EQ(left, whole);
      }
    }
  }
  EXPECT_GT(seams, test::rounds(10000U));
}

TEST(Seams, AreFoundWhereTheFilesPartsPromiseThem) {
  for (const auto& [name, tokenizer] : tokenizers()) {
    const bool none = name == "a look behind" || name == "fused unknowns";
    EXPECT_EQ(tokenizer->has_seams(), !none) << name;
  }
  const auto llama = fixtures::parse(with_pattern(kLlama3, "Isolated", false));
  EXPECT_TRUE(llama->seam("a b", 1));
  EXPECT_FALSE(llama->seam("a b", 2));   // " b" is one word
  EXPECT_FALSE(llama->seam("a  b", 2));  // the second space goes to b, the first one does not
  EXPECT_TRUE(llama->seam("\xE6\x97\xA5\xE3\x80\x82", 3));
  EXPECT_FALSE(llama->seam("a b", 0));
  EXPECT_FALSE(llama->seam("a b", 3));
}

TEST(TokenCounter, CountsWhatAFullEncodeGivesAfterRandomEdits) {
  for (const auto& [name, tokenizer] : tokenizers()) {
    for (unsigned seed = 0; seed < test::rounds(6U); ++seed) {
      SCOPED_TRACE(name + ", seed " + std::to_string(seed));
      std::mt19937 random(seed);
      const CountOptions options{.add_template = seed % 2 == 0, .special_in_text = seed % 3 == 0};
      EncodeOptions encode{.add_template = options.add_template,
                           .special_in_text = options.special_in_text};
      TokenCounter counter(tokenizer, options);
      std::string text;
      for (int step = 0; step < test::rounds(36); ++step) {
        const unsigned kind = random() % 8;
        if (kind < 3) {
          const std::string more = long_text(random, random() % 5 == 0 ? 200 : 1);
          counter.append(more);
          text += more;
        } else if (kind < 6) {
          const size_t begin = random() % (text.size() + 1);
          const size_t length = std::min<size_t>(text.size() - begin, random() % 20);
          const std::string with = random() % 3 ? long_text(random, random() % 2) : "";
          counter.replace(begin, length, with);
          text.replace(begin, length, with);
        } else if (kind == 6) {
          TokenCounter other(tokenizer, options);
          const std::string more = long_text(random, random() % 4 == 0 ? 300 : random() % 2);
          other.append(more);
          if (random() % 2) other.count();
          counter.append(other);
          text += more;
        } else {
          size_t begin = random() % (text.size() + 1), end = random() % (text.size() + 1);
          if (begin > end) std::swap(begin, end);
          ASSERT_EQ(counter.count(begin, end),
                    tokenizer->count(text.substr(begin, end - begin), encode));
        }
        if (random() % 4 == 0) {
          ASSERT_EQ(counter.count(), tokenizer->count(text, encode)) << "step " << step;
        }
      }
      ASSERT_EQ(counter.text(), text);
      ASSERT_EQ(counter.size(), text.size());
      ASSERT_EQ(counter.count(), tokenizer->count(text, encode));
    }
  }
}

TEST(TokenCounter, CountsATextThatGrowsByteByByte) {
  for (const auto& [name, tokenizer] : tokenizers()) {
    SCOPED_TRACE(name);
    std::mt19937 random(5);
    const std::string text = long_text(random, 60);
    TokenCounter counter(tokenizer);
    for (size_t i = 0; i < text.size(); ++i) {
      counter.append(std::string_view(text).substr(i, 1));
      ASSERT_EQ(counter.count(), tokenizer->count(text.substr(0, i + 1), kPlain)) << i;
    }
  }
}

TEST(SplitByTokens, PiecesFitAndNoneIsNeedlesslyShort) {
  for (const auto& [name, tokenizer] : tokenizers()) {
    for (unsigned seed = 0; seed < 12; ++seed) {
      SCOPED_TRACE(name + ", seed " + std::to_string(seed));
      std::mt19937 random(seed);
      const std::string text = long_text(random, 40);
      const int64_t most = 12 + static_cast<int64_t>(random() % 30);
      const CountOptions options{.add_template = seed % 2 == 0};
      const EncodeOptions encode{.add_template = options.add_template};
      int64_t at = 0;
      for (ByteSpan piece : split_by_tokens(*tokenizer, text, most, options)) {
        ASSERT_EQ(piece.begin, at);
        ASSERT_GT(piece.end, piece.begin);
        const auto begin = static_cast<size_t>(piece.begin), end = static_cast<size_t>(piece.end);
        ASSERT_LE(tokenizer->count(text.substr(begin, end - begin), encode), most);
        if (end < text.size()) {
          const size_t next = end + unit_at(text, end).length;
          ASSERT_GT(tokenizer->count(text.substr(begin, next - begin), encode), most);
        }
        at = piece.end;
      }
      ASSERT_EQ(at, static_cast<int64_t>(text.size()));
    }
  }
}

TEST(SplitByTokens, RefusesWhatNoPieceCanHold) {
  const auto bytes = fixtures::parse(fixtures::byte_level_json());
  EXPECT_TRUE(split_by_tokens(*bytes, "", 3).empty());
  try {
    split_by_tokens(*bytes, "a \xE6\x97\xA5", 2);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.where(), "byte 2");
  }
  const auto framed = fixtures::parse(fixtures::byte_fallback_json());
  EXPECT_THROW(split_by_tokens(*framed, "a", 1, {.add_template = true}), Error);
}

}  // namespace
}  // namespace tessera
