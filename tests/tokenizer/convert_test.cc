// Oracle: the tokenizer that was converted.
#include "tessera/tokenizer/convert.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>

#include <gtest/gtest.h>

#include "tessera/base/base64.h"
#include "tessera/base/error.h"
#include "tessera/files/gguf.h"
#include "tessera/text/corpus.h"
#include "tessera/tokenizer/compare.h"
#include "tessera/tokenizer/known_patterns.h"
#include "tessera/tokenizer/probes.h"
#include "tests/base/temporary_folder.h"
#include "tests/tokenizer/fixtures.h"

namespace tessera {
namespace {

using Folder = test::TemporaryFolder;

void expect_alike(const Tokenizer& a, const Tokenizer& b) {
  const auto texts = probe_texts(a.vocabulary(), {.count = 3000, .seed = 99});
  EXPECT_EQ(first_difference(a, b, texts), std::nullopt);
}

// Through each format and back.
TEST(Convert, ByteLevelVocabulariesKeepTheirIds) {
  Folder folder;
  const std::string source = folder.write("a.json", fixtures::byte_level_json().dump());
  const auto tokenizer = read_tokenizer_json(source);
  convert_tokenizer(source, *tokenizer, folder / "b.gguf", {.probes = 2000});
  const auto gguf = read_gguf_tokenizer(GgufFile(folder / "b.gguf"));
  expect_alike(*tokenizer, *gguf);
  convert_tokenizer(folder / "b.gguf", *gguf, folder / "c.json", {.probes = 2000});
  expect_alike(*tokenizer, *read_tokenizer_json(folder / "c.json"));
}

TEST(Convert, ScoredVocabulariesKeepTheirIds) {
  Folder folder;
  auto json = fixtures::byte_fallback_json();
  json["post_processor"] = nullptr;
  const std::string source = folder.write("a.json", json.dump());
  const auto tokenizer = read_tokenizer_json(source);
  convert_tokenizer(source, *tokenizer, folder / "b.gguf", {.probes = 2000});
  const auto gguf = read_gguf_tokenizer(GgufFile(folder / "b.gguf"));
  expect_alike(*tokenizer, *gguf);
  convert_tokenizer(folder / "b.gguf", *gguf, folder / "c.json", {.probes = 2000});
  expect_alike(*tokenizer, *read_tokenizer_json(folder / "c.json"));
}

std::string rank_file() {
  std::string out;
  size_t rank = 0;
  for (int b = 0; b < 256; ++b) {
    out +=
        encode_base64(std::string(1, static_cast<char>(b))) + " " + std::to_string(rank++) + "\n";
  }
  for (const char* token : {"he", "ll", "hell", "hello", " hello", "  ", "el", "\xC3\xA9"}) {
    out += encode_base64(token) + " " + std::to_string(rank++) + "\n";
  }
  return out;
}

TEST(Convert, RankFilesKeepTheirIds) {
  Folder folder;
  TiktokenOptions ranks;
  ranks.pattern = std::string(kCl100kTiktokenPattern);
  const std::string source = folder.write("a.tiktoken", rank_file());
  const auto tokenizer = read_tiktoken(source, ranks);
  convert_tokenizer(source, *tokenizer, folder / "b.json", {.probes = 2000, .ranks = ranks});
  const auto json = read_tokenizer_json(folder / "b.json");
  expect_alike(*tokenizer, *json);
  convert_tokenizer(folder / "b.json", *json, folder / "c.tiktoken", {.probes = 2000});
  EXPECT_EQ(read_text(folder / "c.tiktoken"), rank_file());
}

TEST(Convert, NfcStaysOrIsLeftOutWhenAskedFor) {
  Folder folder;
  auto json = fixtures::byte_level_json();
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}}}};
  const std::string source = folder.write("a.json", json.dump());
  const auto tokenizer = read_tokenizer_json(source);
  EXPECT_EQ(convert_tokenizer(source, *tokenizer, folder / "b.json", {.probes = 2000}), "");
  expect_alike(*tokenizer, *read_tokenizer_json(folder / "b.json"));
  const std::string lost = convert_tokenizer(source, *tokenizer, folder / "b.gguf",
                                             {.probes = 2000, .without_normaliser = true});
  EXPECT_NE(lost.find("NFC"), std::string::npos) << lost;
  const auto gguf = read_gguf_tokenizer(GgufFile(folder / "b.gguf"));
  const std::string composed = "\xC3\xA9", decomposed = "e\xCC\x81";
  EXPECT_EQ(gguf->encode(composed).ids, tokenizer->encode(composed).ids);
  EXPECT_NE(gguf->encode(decomposed).ids, tokenizer->encode(decomposed).ids);
}

TEST(Convert, WhatTheTargetLacksIsRefusedAndNothingIsLeft) {
  Folder folder;
  const auto refused = [&](const fixtures::Json& json, const std::string& target,
                           const std::string& reason) {
    const std::string source = folder.write("a.json", json.dump());
    const auto tokenizer = read_tokenizer_json(source);
    try {
      convert_tokenizer(source, *tokenizer, folder / target, {.probes = 2000});
      ADD_FAILURE() << reason;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(reason), std::string::npos) << e.what();
    }
    EXPECT_EQ(folder.files(), 1U);
  };
  auto json = fixtures::byte_level_json();
  refused(json, "b.model", "no byte-level vocabularies");
  refused(json, "b.bin", ".json, .gguf, .model, .tiktoken");
  refused(fixtures::byte_fallback_json(), "b.tiktoken", "this one is none");
  json["normalizer"] = {{"type", "NFC"}};
  refused(json, "b.gguf", "brings texts to NFC first, and GGUF has no normaliser");
  json["normalizer"] = {{"type", "NFKC"}};
  refused(json, "b.json", "a normaliser other than NFC");
  json = fixtures::byte_level_json();
  json["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers",
                            {{{"type", "Split"},
                              {"pattern", {{"Regex", "x+|[^x]+"}}},
                              {"behavior", "Isolated"},
                              {"invert", false}},
                             {{"type", "ByteLevel"},
                              {"add_prefix_space", false},
                              {"trim_offsets", true},
                              {"use_regex", false}}}}};
  refused(json, "b.gguf", "no name for this way");
  refused(fixtures::word_piece_json(), "b.gguf", "no BPE");
  // Scores join whatever is a piece together; this file has the piece but not the merge.
  json = fixtures::byte_fallback_json();
  json["post_processor"] = nullptr;
  json["model"]["merges"].insert(json["model"]["merges"].begin(), "o r");
  json["model"]["vocab"]["or"] = json["model"]["vocab"].size();
  json["model"]["vocab"]["hor"] = json["model"]["vocab"].size();
  refused(json, "b.gguf", "treat this text otherwise");
}

TEST(Compare, SaysWhatTwoVocabulariesShare) {
  const auto a = fixtures::parse(fixtures::byte_level_json());
  auto json = fixtures::byte_level_json();
  json["model"]["merges"].erase(3);  // hello is no token any more
  json["model"]["merges"].erase(3);
  const auto b = fixtures::parse(json);
  TokenizerComparer same(a, a), other(a, b);
  for (TokenizerComparer* comparer : {&same, &other}) comparer->add("well hello hello \xFF w");
  const auto equal = same.finish();
  EXPECT_TRUE(equal.same_vocabulary && equal.same_ids && equal.a.round_trips);
  EXPECT_EQ(equal.a.shared_tokens, equal.a.tokens);
  const auto differs = other.finish(1);
  EXPECT_TRUE(differs.same_vocabulary);
  EXPECT_FALSE(differs.same_ids);
  EXPECT_EQ(differs.first_difference, "well hello hello \xFF w");
  EXPECT_EQ(differs.b.tokens, differs.a.tokens + 4);  // each " hello" is " ", "hell", "o"
  ASSERT_EQ(differs.b.costliest.size(), 1U);
  EXPECT_EQ(differs.b.costliest[0].word, "hello");
  EXPECT_EQ(differs.b.costliest[0].times, 2);
  EXPECT_EQ(differs.b.costliest[0].tokens, 3);
  EXPECT_EQ(differs.words, 5);
  EXPECT_EQ(differs.characters, 20);
  EXPECT_EQ(differs.a.whole_words, differs.b.whole_words + 2);  // hello, twice
  for (const ComparedSide* side : {&differs.a, &differs.b}) {
    EXPECT_EQ(std::accumulate(side->lengths.begin(), side->lengths.end(), int64_t{0}),
              side->tokens);
  }
  EXPECT_EQ(differs.a.lengths[6], 2);  // " hello"
  const auto words = fixtures::parse(fixtures::word_piece_json());
  TokenizerComparer lossy(a, words);
  lossy.add("hello world");
  lossy.add("hello  world");
  EXPECT_EQ(lossy.finish().b.first_lost, 11 + 6);
}

// Even use is 1, one token alone is 0; the entropies between fall with the order, and near 1 they
// are Shannon's.
TEST(Compare, RenyiEfficiencySaysHowEvenlyTokensAreUsed) {
  EXPECT_NEAR(renyi_efficiency(std::vector<int64_t>{7, 7, 7, 7}, 2.5), 1, 1e-12);
  EXPECT_NEAR(renyi_efficiency(std::vector<int64_t>{9, 0, 0}, 2.5), 0, 1e-12);
  EXPECT_EQ(renyi_efficiency(std::vector<int64_t>{0, 0}, 2.5), 0);
  EXPECT_EQ(renyi_efficiency(std::vector<int64_t>{5}, 2.5), 0);
  const std::vector<int64_t> counts = {50, 30, 20};
  const double shannon = -(0.5 * std::log(0.5) + 0.3 * std::log(0.3) + 0.2 * std::log(0.2));
  EXPECT_NEAR(renyi_efficiency(counts, 1 + 1e-6), shannon / std::log(3), 1e-5);
  EXPECT_NEAR(renyi_efficiency(counts, 2), -std::log(0.25 + 0.09 + 0.04) / std::log(3), 1e-12);
  EXPECT_LT(renyi_efficiency(counts, 2.5), renyi_efficiency(counts, 2));
}

}  // namespace
}  // namespace tessera
