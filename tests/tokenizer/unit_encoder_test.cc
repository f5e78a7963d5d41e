// encode_ids(), which looks units up, against encode(), which takes the plain path; over
// vocabularies whose merges were made by joining random neighbours of random text.
#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/tokenizer/id_buffer.h"
#include "tests/base/rounds.h"
#include "tests/tokenizer/fixtures.h"

namespace tessera {
namespace {

using fixtures::Json;

constexpr std::string_view kParts[] = {" ",
                                       " ",
                                       "  ",
                                       "\n",
                                       "\n\n",
                                       "\t",
                                       "a",
                                       "b",
                                       "c",
                                       "the",
                                       "The",
                                       "ing",
                                       "tion",
                                       "'s",
                                       "1",
                                       "23",
                                       "4567",
                                       ".",
                                       ",",
                                       "(",
                                       "//",
                                       "<|a|>",
                                       "</s>",
                                       "\xE2\x96\x81",
                                       "\xC3\xA9",
                                       "\xD0\x9F\xD1\x80",
                                       "\xE4\xB8\xAD",
                                       "\xE6\x96\x87",
                                       "\xE4\xB9\xA6",
                                       "\xED\x95\x9C",
                                       "\xF0\x9F\x98\x80",
                                       "e\xCC\x81",
                                       "\xFF",
                                       "\xE4\xB8"};

std::string random_text(std::mt19937& rng, size_t parts) {
  std::string out;
  for (size_t i = 0; i < parts; ++i) {
    const auto& part = kParts[rng() % std::size(kParts)];
    for (size_t n = rng() % 12 == 0 ? 1 + rng() % 40 : 1; n-- > 0;) out += part;
  }
  return out;
}

// The characters with which byte-level files write bytes.
std::vector<std::string> symbols_of(std::string_view text, bool by_bytes) {
  std::vector<std::string> out;
  for (size_t i = 0; i < text.size();) {
    const Unit u = unit_at(text, i);
    std::string symbol;
    if (by_bytes) {
      append_unit(symbol, byte_level_character(static_cast<unsigned char>(text[i])));
    } else {
      symbol = text[i] == ' ' ? "\xE2\x96\x81" : std::string(text.substr(i, u.length));
    }
    i += by_bytes ? 1 : u.length;
    out.push_back(symbol);
  }
  return out;
}

// Puts random merges into a file. Joins neighbours anywhere, so that tokens cross words and
// characters.
Json with_random_merges(Json json, std::mt19937& rng, bool by_bytes, int count) {
  Json& model = json["model"];
  Json merges = Json::array();
  Json vocab = model["vocab"];
  int64_t next = 0;
  for (auto& [piece, id] : vocab.items()) next = std::max<int64_t>(next, id.get<int64_t>() + 1);
  for (const Json& token : json["added_tokens"]) {
    next = std::max<int64_t>(next, token["id"].get<int64_t>() + 1);
  }
  const std::string text = random_text(rng, 400);
  std::vector<std::string> symbols = symbols_of(text, by_bytes);
  for (const std::string& s : symbols) {
    if (is_utf8(s) && !vocab.contains(s)) vocab[s] = next++;
  }
  for (int i = 0; i < count; ++i) {
    const size_t at = rng() % (symbols.size() - 1);
    const std::string left = symbols[at], right = symbols[at + 1];
    if (!is_utf8(left) || !is_utf8(right) || left.size() + right.size() > 40) continue;
    const std::string both = left + right;
    const auto is_added = [&both](const Json& token) { return token["content"] == both; };
    const Json& added = json["added_tokens"];
    if (std::any_of(added.begin(), added.end(), is_added)) continue;
    if (!vocab.contains(both)) vocab[both] = next++;
    merges.push_back(Json::array({left, right}));
    for (size_t k = 0; k + 1 < symbols.size(); ++k) {
      if (symbols[k] != left || symbols[k + 1] != right) continue;
      symbols[k] = both;
      symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(k) + 1);
    }
  }
  model["vocab"] = vocab;
  model["merges"] = merges;
  return json;
}

void expect_same(const Tokenizer& tokenizer, std::mt19937& rng, int texts) {
  for (int i = 0; i < texts; ++i) {
    const std::string text = random_text(rng, i % 20 == 0 ? 3000 : 1 + rng() % 40);
    for (const bool special : {false, true}) {
      EncodeOptions options;
      options.special_in_text = special;
      IdBuffer ids;
      tokenizer.encode_ids(text, options, ids);
      const std::vector<TokenId> got(ids.ids().begin(), ids.ids().end());
      ASSERT_EQ(got, tokenizer.encode(text, options).ids)
          << "text " << i << " " << testing::PrintToString(text.substr(0, 300));
    }
  }
}

TEST(EncodeIds, AreThoseOfThePlainPathForByteLevelVocabularies) {
  for (unsigned seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 rng(seed);
    Json json = with_random_merges(fixtures::byte_level_json(), rng, true, 150);
    json["model"]["ignore_merges"] = seed % 2 == 0;
    if (seed % 3 == 0) json["normalizer"] = {{"type", "NFC"}};
    expect_same(*fixtures::parse(json), rng, 60);
  }
}

TEST(EncodeIds, AreThoseOfThePlainPathForVocabulariesWithoutWords) {
  for (unsigned seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 rng(seed);
    Json json = with_random_merges(fixtures::byte_fallback_json(), rng, false, 150);
    if (seed % 2 == 0) json["normalizer"] = json["normalizer"]["normalizers"][1];
    expect_same(*fixtures::parse(json), rng, 60);
  }
}

// Joins the pair of lowest rank, leftmost first, until none joins: the definition.
std::vector<std::string> joined_by_definition(const Json& json, std::vector<std::string> symbols) {
  std::map<std::pair<std::string, std::string>, size_t> ranks;
  for (const Json& merge : json["model"]["merges"]) {
    ranks[{merge[0].get<std::string>(), merge[1].get<std::string>()}] = ranks.size();
  }
  for (;;) {
    size_t best = symbols.size(), rank = ranks.size();
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = ranks.find({symbols[i], symbols[i + 1]});
      if (found != ranks.end() && found->second < rank) best = i, rank = found->second;
    }
    if (best == symbols.size()) return symbols;
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

TEST(EncodePiece, OfAnyLengthIsWhatTheMergesDefine) {
  for (unsigned seed = 0; seed < test::rounds(18U); ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 rng(seed);
    const Json json = with_random_merges(fixtures::byte_level_json(), rng, true, 120);
    const auto tokenizer = fixtures::parse(json);
    for (int i = 0; i < 12; ++i) {
      std::string piece;
      if (i % 3 == 0) {
        const std::string period = random_text(rng, 1 + rng() % 3);
        while (piece.size() < 300 + rng() % 300) piece += period;
        piece += random_text(rng, 4);
      } else {
        piece = random_text(rng, 60);
      }
      std::vector<std::string> got;
      for (const TokenId id : tokenizer->encode_piece(piece)) {
        got.emplace_back(tokenizer->vocabulary().piece(id));
      }
      ASSERT_EQ(got, joined_by_definition(json, symbols_of(piece, true)));
    }
  }
}

TEST(EncodeIds, AreThoseOfThePlainPathForEveryTokenizerAtHand) {
  for (const auto& [name, tokenizer] : fixtures::all_tokenizers()) {
    SCOPED_TRACE(name);
    std::mt19937 rng(7);
    expect_same(*tokenizer, rng, 40);
  }
}

TEST(EncodeIds, OfOneTokenizerComeFromSeveralThreads) {
  std::mt19937 rng(3);
  const auto tokenizer =
      fixtures::parse(with_random_merges(fixtures::byte_level_json(), rng, true, 150));
  std::vector<std::string> texts;
  std::vector<std::vector<TokenId>> wanted;
  for (int i = 0; i < 40; ++i) {
    texts.push_back(random_text(rng, 300));
    wanted.push_back(tokenizer->encode(texts.back()).ids);
  }
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 4 * texts.size(); ++i) {
        const size_t which = (i * (t + 1)) % texts.size();
        IdBuffer ids;
        tokenizer->encode_ids(texts[which], {}, ids);
        if (!std::equal(ids.ids().begin(), ids.ids().end(), wanted[which].begin(),
                        wanted[which].end())) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace tessera
