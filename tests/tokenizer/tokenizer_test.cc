#include "tessera/tokenizer/tokenizer.h"

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/files/gguf.h"
#include "tests/tokenizer/fixtures.h"

namespace tessera {
namespace {

using fixtures::all_tokenizers;
using fixtures::Json;
using fixtures::random_text;

// Oracle: the input.
TEST(ByteLevelBpe, RoundTripsAnyBytes) {
  auto tokenizer = fixtures::parse(fixtures::byte_level_json());
  for (unsigned seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string text = random_text(random, false);
    Encoding e = tokenizer->encode(text);
    EXPECT_EQ(tokenizer->decode(e.ids), text);
    // The spans tile the input.
    int64_t at = 0;
    for (size_t i = 0; i < e.ids.size(); ++i) {
      ASSERT_EQ(e.spans[i].begin, at);
      at = e.spans[i].end;
      EXPECT_EQ(tokenizer->vocabulary().bytes(e.ids[i]),
                text.substr(e.spans[i].begin, e.spans[i].end - e.spans[i].begin));
    }
    EXPECT_EQ(at, static_cast<int64_t>(text.size()));
  }
}

TEST(Tokenizer, SpansAreInOrderWithinTheInputForEveryVocabulary) {
  for (const auto& [name, tokenizer] : all_tokenizers()) {
    for (unsigned seed = 0; seed < 1000; ++seed) {
      SCOPED_TRACE(name + " " + std::to_string(seed));
      std::mt19937 random(seed);
      std::string text = random_text(random, false);
      Encoding e = tokenizer->encode(text, {.special_in_text = seed % 2 == 0});
      ASSERT_EQ(e.ids.size(), e.spans.size());
      ASSERT_EQ(e.ids.size(), e.pre_tokens.size());
      ASSERT_EQ(e.ids.size(), e.origins.size());
      int64_t begin = 0, end = 0;
      for (size_t i = 0; i < e.ids.size(); ++i) {
        ByteSpan s = e.spans[i];
        ASSERT_LE(s.begin, s.end);
        ASSERT_LE(begin, s.begin);
        ASSERT_LE(end, s.end);
        if (e.origins[i] == TokenOrigin::template_text) {
          EXPECT_EQ(s.begin, s.end);
          EXPECT_EQ(e.pre_tokens[i], -1);
        }
        begin = s.begin;
        end = s.end;
      }
      ASSERT_LE(end, static_cast<int64_t>(text.size()));
    }
  }
}

// Law: whatever text surrounds it, a control token's name stays text.
TEST(Tokenizer, ContentNeverYieldsAControlId) {
  for (const auto& [name, tokenizer] : all_tokenizers()) {
    const Vocabulary& vocabulary = tokenizer->vocabulary();
    for (TokenId id = 0; id < vocabulary.size(); ++id) {
      if (vocabulary.role(id) != TokenRole::control) continue;
      for (unsigned seed = 0; seed < 40; ++seed) {
        SCOPED_TRACE(name + " " + std::string(vocabulary.piece(id)) + " " + std::to_string(seed));
        std::mt19937 random(seed);
        std::string text = random_text(random, false) + std::string(vocabulary.piece(id)) +
                           random_text(random, false);
        if (seed == 0) text = vocabulary.piece(id);
        for (TokenId found : tokenizer->encode(text, {.add_template = false}).ids) {
          EXPECT_NE(vocabulary.role(found), TokenRole::control);
        }
        if (seed == 0) {
          Encoding parsed =
              tokenizer->encode(text, {.add_template = false, .special_in_text = true});
          EXPECT_EQ(parsed.ids, std::vector<TokenId>{id});
        }
      }
    }
  }
}

// Oracle: decode() of all ids at once.
TEST(StreamDecoder, PiecesAreWholeCharactersAndJoinToTheFullDecode) {
  for (const auto& [name, tokenizer] : all_tokenizers()) {
    for (unsigned seed = 0; seed < 600; ++seed) {
      SCOPED_TRACE(name + " " + std::to_string(seed));
      std::mt19937 random(seed);
      std::vector<TokenId> ids;
      bool skip = seed % 2 == 0;
      if (seed % 3 == 0) {
        for (unsigned n = random() % 20; n > 0; --n) {
          ids.push_back(static_cast<TokenId>(
              random() % static_cast<unsigned>(tokenizer->vocabulary().size())));
        }
      } else {
        ids = tokenizer->encode(random_text(random, seed % 3 == 1), {.special_in_text = true}).ids;
      }
      std::string joined;
      const std::string whole = tokenizer->decode(ids, skip);
      StreamDecoder stream(tokenizer, skip);
      for (TokenId id : ids) {
        std::string piece = stream.push(id);
        EXPECT_TRUE(is_utf8(piece) || !is_utf8(whole));
        joined += piece;
      }
      joined += stream.finish();
      EXPECT_EQ(joined, whole);
    }
  }
}

TEST(StreamDecoder, RefusesIdsOutsideTheVocabulary) {
  auto tokenizer = fixtures::parse(fixtures::byte_level_json());
  StreamDecoder stream(tokenizer);
  EXPECT_EQ(stream.push('a'), tokenizer->decode(std::vector<TokenId>{'a'}));
  EXPECT_THROW(stream.push(100000), Error);
  EXPECT_THROW(stream.push(-1), Error);
}

// Oracle: ids that another reader of the format checks itself against for this vocabulary.
TEST(GgufTokenizer, SplitsSmolLmAsItsPreTokenizerNameSays) {
  auto path = fixtures::models_folder() / "SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no SmolLM2 in " << path.parent_path();
  auto tokenizer = read_gguf_tokenizer(GgufFile(path.string()));
  auto ids = [&](const char* text) { return tokenizer->encode(text).ids; };
  EXPECT_EQ(ids("Hello world! 123"), (std::vector<TokenId>{19556, 905, 17, 216, 33, 34, 35}));
  EXPECT_EQ(ids("Caf\xC3\xA9 d\xC3\xA9j\xC3\xA0 vu."),
            (std::vector<TokenId>{51, 1939, 2756, 32564, 90, 16739, 386, 101, 30}));
  EXPECT_EQ(ids("  multiple   spaces"), (std::vector<TokenId>{216, 2701, 256, 5600}));
  EXPECT_FALSE(tokenizer->adds_bos());
  // This vocabulary has no token for bytes that its training text lacked; those are dropped.
  std::string known;
  for (TokenId id = 0; id < tokenizer->vocabulary().size(); ++id) {
    std::string_view bytes = tokenizer->vocabulary().bytes(id);
    if (bytes.size() == 1) known += bytes;
  }
  for (unsigned seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string text = random_text(random, false), kept;
    for (char c : text) {
      if (known.find(c) != std::string::npos) kept += c;
    }
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text).ids), kept);
  }
}

// Oracle: the same calls on one thread.
TEST(Tokenizer, ThreadsShareOneTokenizer) {
  for (const auto& named : all_tokenizers()) {
    const auto& tokenizer = named.second;
    std::vector<std::string> texts;
    std::vector<std::vector<TokenId>> expected;
    for (unsigned seed = 0; seed < 200; ++seed) {
      std::mt19937 random(seed);
      texts.push_back(random_text(random, false));
      expected.push_back(tokenizer->encode(texts.back()).ids);
    }
    std::vector<int> wrong(4);
    std::vector<std::thread> threads;
    threads.reserve(wrong.size());
    for (size_t t = 0; t < wrong.size(); ++t) {
      threads.emplace_back([&, t] {
        for (size_t i = 0; i < texts.size(); ++i)
          wrong[t] += tokenizer->encode(texts[i]).ids != expected[i];
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(wrong, std::vector<int>(4)) << named.first;
  }
}

// A quadratic encoder needs minutes for these; the bound is generous for slow machines.
TEST(ByteLevelBpe, LongRunsAreNotQuadratic) {
  auto tokenizer = fixtures::parse(fixtures::byte_level_json());
  for (const std::string& unit : {std::string("a"), std::string(" "), std::string("\n"),
                                  std::string("ab"), std::string("\xE6\x97\xA5")}) {
    std::string text;
    while (text.size() < (1 << 20)) text += unit;
    auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text).ids), text);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10)) << unit;
  }
}

TEST(ByteFallback, ByteTokensHaveTheirOwnByteAsSpan) {
  auto tokenizer = fixtures::parse(fixtures::byte_fallback_json());
  std::string text = "hello \xF0\x9F\x98\x80\xFF";
  Encoding e = tokenizer->encode(text, {.add_template = false});
  EXPECT_EQ(tokenizer->decode(e.ids), text);
  std::vector<ByteSpan> expected = {{0, 5}, {5, 6}, {6, 7}, {7, 8}, {8, 9}, {9, 10}, {10, 11}};
  EXPECT_EQ(e.spans, expected);
  EXPECT_EQ(tokenizer->vocabulary().role(e.ids.back()), TokenRole::byte);
}

}  // namespace
}  // namespace tessera
