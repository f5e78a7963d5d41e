// Rank files and tekken: a byte-pair vocabulary without merges.
#include <algorithm>
#include <functional>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/tokenizer/tekken.h"
#include "tessera/tokenizer/tiktoken.h"

namespace tessera {
namespace {

std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0);
    }
    for (size_t k = 0; k < 4; ++k) out += k <= n ? kAlphabet[bits >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::vector<std::string> random_tokens(std::mt19937& random) {
  std::vector<std::string> tokens;
  for (int b = 0; b < 256; ++b) tokens.push_back(std::string(1, static_cast<char>(b)));
  // Tokens grow out of tokens.
  auto part = [&] {
    const bool letter = tokens.size() == 256 || random() % 3 == 0;
    return tokens[letter ? 'a' + random() % 3 : 256 + random() % (tokens.size() - 256)];
  };
  for (int i = 0; i < 60; ++i) {
    const std::string token = part() + part();
    const bool known = std::find(tokens.begin(), tokens.end(), token) != tokens.end();
    if (token.size() <= 20 && !known) tokens.push_back(token);
  }
  return tokens;
}

std::string rank_file(const std::vector<std::string>& tokens) {
  std::string out;
  for (size_t i = 0; i < tokens.size(); ++i) out += fmt::format("{} {}\n", base64(tokens[i]), i);
  return out;
}

// Oracle: join the neighbours whose bytes have the lowest rank, the leftmost of equals, until none
// has one.
std::vector<TokenId> brute_force(const std::vector<std::string>& tokens, const std::string& text) {
  auto rank = [&](const std::string& s) {
    return std::find(tokens.begin(), tokens.end(), s) - tokens.begin();
  };
  const auto none = static_cast<std::ptrdiff_t>(tokens.size());
  std::vector<std::string> parts;
  for (const char c : text) parts.emplace_back(1, c);
  for (;;) {
    size_t best = 0;
    auto least = none;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto r = rank(parts[i] + parts[i + 1]);
      if (r < least) least = r, best = i;
    }
    if (least == none) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  std::vector<TokenId> ids;
  for (const auto& p : parts) ids.push_back(static_cast<TokenId>(rank(p)));
  return ids;
}

TEST(Tiktoken, JoinsWhatBruteForceJoins) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto tokens = random_tokens(random);
    const auto tokenizer =
        parse_tiktoken(rank_file(tokens), "r.tiktoken", {.encoding = "", .pattern = ".+"});
    std::string text;
    for (size_t n = random() % 80; n > 0; --n) text += "abcd"[random() % 4];
    const bool whole = std::find(tokens.begin(), tokens.end(), text) != tokens.end();
    if (text.empty() || whole) continue;
    EXPECT_EQ(tokenizer->encode(text).ids, brute_force(tokens, text));
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text).ids), text);
  }
}

std::string fault_of(const std::string& file, const TiktokenOptions& options) {
  try {
    parse_tiktoken(file, "r.tiktoken", options);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Tiktoken, RefusesEachDamageWithItsLine) {
  std::mt19937 random(1);
  const std::string good = rank_file(random_tokens(random));
  const TiktokenOptions options{.encoding = "", .pattern = ".+"};
  EXPECT_EQ(fault_of(good, options), "");
  const std::pair<std::string, const char*> rows[] = {
      {"QQ==\n" + good, "line 1 (byte 0)"},
      {"QQ= 300\n" + good, "does not begin with base64"},
      {"QQ== x\n" + good, "does not end in a rank"},
      {"QQ== -1\n" + good, "does not end in a rank"},
      {"QUFBQQ== 99999999999\n" + good, "too far for this file"},
      {good + "QUFBQQ== 5\n", "a rank that is there twice"},
      {good + "QQ== 1000\n", "is there twice"},
      {"QUFBQQ== 0\n", "no token stands for the byte 0"},
      {good + base64(std::string(1001, 'a')) + " 1000\n", "more than 1,000 bytes"},
  };
  for (const auto& [file, expected] : rows) {
    SCOPED_TRACE(expected);
    EXPECT_NE(fault_of(file, options).find(expected), std::string::npos) << fault_of(file, options);
  }
  EXPECT_NE(fault_of(good, {}).find("does not say how text is cut"), std::string::npos);
  EXPECT_NE(
      fault_of(good, {.encoding = "cl100k_bas", .pattern = ""}).find("Did you mean cl100k_base"),
      std::string::npos);
  EXPECT_NE(fault_of(good, {.encoding = "", .pattern = "[a"}).find("the pattern: column"),
            std::string::npos);
}

TEST(Tiktoken, ExplodingPatternsEndInAnError) {
  std::mt19937 random(1);
  const auto tokenizer = parse_tiktoken(rank_file(random_tokens(random)), "r.tiktoken",
                                        {.encoding = "", .pattern = "((a|aa)+)+(?:b|cd)"});
  EXPECT_THROW(tokenizer->encode(std::string(3000, 'a')), Error);
}

nlohmann::json tekken_json() {
  std::mt19937 random(1);
  nlohmann::json vocab = nlohmann::json::array();
  for (const std::string& t : random_tokens(random)) {
    vocab.push_back({{"rank", vocab.size()}, {"token_bytes", base64(t)}, {"token_str", nullptr}});
  }
  const size_t size = vocab.size() + 7;
  return {{"config",
           {{"pattern", ".+"},
            {"num_vocab_tokens", vocab.size()},
            {"default_vocab_size", size},
            {"default_num_special_tokens", 10},
            {"version", "v3"}}},
          {"vocab", vocab}};
}

TEST(Tekken, IdsBeginBehindTheSpecialTokens) {
  const auto tokenizer = parse_tekken(tekken_json().dump(), "t.json");
  EXPECT_EQ(tokenizer->encode("d").ids, std::vector<TokenId>{10 + 'd'});
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->eos(), 2);
  EXPECT_EQ(tokenizer->encode("<s>", {.special_in_text = true}).ids, std::vector<TokenId>{1});
  EXPECT_EQ(tokenizer->vocabulary().piece(9), "[TOOL_CALLS]");
  EXPECT_FALSE(tokenizer->library_parses_control());
}

TEST(Tekken, RefusesEachDamageWithItsPath) {
  using Json = nlohmann::json;
  const std::pair<const char*, std::function<void(Json&)>> rows[] = {
      {"vocab[3]: \"rank\" is not 3", [](Json& j) { j["vocab"][3]["rank"] = 4; }},
      {"vocab[3]: \"token_bytes\" is not base64",
       [](Json& j) { j["vocab"][3]["token_bytes"] = "Z"; }},
      {"config.default_vocab_size: is 5", [](Json& j) { j["config"]["default_vocab_size"] = 5; }},
      {"config.default_num_special_tokens: is 4294967296",
       [](Json& j) { j["config"]["default_num_special_tokens"] = 4294967296; }},
      {"config.pattern: is not a string", [](Json& j) { j["config"]["pattern"] = 1; }},
      {"the top: novel is not", [](Json& j) { j["novel"] = 1; }},
      {"special_tokens[0].rank: is not the place",
       [](Json& j) {
         j["special_tokens"] = {{{"rank", 1}, {"token_str", "x"}, {"is_control", true}}};
       }},
  };
  for (const auto& [expected, change] : rows) {
    SCOPED_TRACE(expected);
    Json json = tekken_json();
    change(json);
    try {
      parse_tekken(json.dump(), "t.json");
      FAIL() << "accepted";
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(expected), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace tessera
