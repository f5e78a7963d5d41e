// Invariant: what a cut vocabulary makes of its texts is what the whole one makes of them, but for
// the ids; for every kind of vocabulary that can be trained.
#include "tessera/tokenizer/train/prune.h"

#include <algorithm>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"
#include "tessera/base/random.h"
#include "tessera/tokenizer/train/trainer.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

// Lines of words, of which there are `words`; the first ones are those of fewer words, too.
std::string prose(size_t words, size_t length = 4000) {
  Random random(8);
  std::vector<std::string> all;
  for (size_t i = 0; i < words; ++i) {
    std::string word(1 + random.below(8), 'a');
    for (char& c : word) c = static_cast<char>('a' + random.below(9));
    all.push_back(word);
  }
  std::string out;
  for (size_t i = 1; i <= length; ++i) {
    out += all[random.below(all.size())] + (i % 9 == 0 || i == length ? "\n" : " ");
  }
  return out;
}

std::string trained(const std::string& spec, const std::string& file, int64_t size) {
  TrainingTexts texts({file}, {});
  TrainingRequest request;
  request.vocab_size = size;
  request.specials = {"<s>", "</s>"};
  return make_guest<Trainer>(spec)->train(texts, request).json;
}

PrunedTokenizer pruned(const std::string& base, const std::string& file, int64_t size = 0,
                       int64_t threads = 1) {
  TrainingTexts texts({file}, {});
  return prune_tokenizer(base, texts, {.size = size, .threads = threads});
}

std::vector<TokenId> mapped(const PrunedTokenizer& made, const std::vector<TokenId>& ids) {
  std::vector<TokenId> out;
  out.reserve(ids.size());
  for (const TokenId id : ids) out.push_back(made.ids[static_cast<size_t>(id)]);
  return out;
}

// For all lines of the text, with and without what the file puts around them.
void expect_same(const PrunedTokenizer& made, const std::string& base_json,
                 const std::string& text) {
  const auto base = parse_tokenizer_json(base_json, "base");
  const auto now = parse_tokenizer_json(made.json, "now");
  EXPECT_EQ(now->vocabulary().size(), made.after);
  TokenId next = 0;
  for (TokenId id = 0; id < base->vocabulary().size(); ++id) {
    const TokenId to = made.ids[static_cast<size_t>(id)];
    if (to < 0) continue;
    EXPECT_EQ(to, next++);
    EXPECT_EQ(now->vocabulary().piece(to), base->vocabulary().piece(id));
    EXPECT_EQ(now->vocabulary().role(to), base->vocabulary().role(id));
  }
  EXPECT_EQ(next, made.after);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin) + 1;
    const std::string line = text.substr(begin, end - begin);
    for (const bool special : {false, true}) {
      const EncodeOptions options{.special_in_text = special};
      const std::vector<TokenId> ids = base->encode(line, options).ids;
      ASSERT_EQ(now->encode(line, options).ids, mapped(made, ids)) << line;
    }
    begin = end;
  }
}

TEST(Prune, TheTextsKeepTheirTokensWhateverTrainedThem) {
  test::TemporaryFolder folder;
  const std::string all = folder.write("all", prose(600) + "0123456789\n");
  const std::string few = prose(40, 300) + "0 </s> 1\n";
  const std::string file = folder.write("few", few);
  for (const auto& guest : guests<Trainer>()) {
    SCOPED_TRACE(guest.entry.name);
    const std::string json = trained(guest.entry.name, all, 600);
    const std::string base = folder.write("base.json", json);
    const PrunedTokenizer made = pruned(base, file);
    EXPECT_EQ(made.before, parse_tokenizer_json(json, "base")->vocabulary().size());
    // A trainer that found few tokens in so short a text leaves nothing to prune.
    EXPECT_LE(made.after, made.before);
    if (made.before > 300) {
      EXPECT_LT(made.after, made.before);
    }
    EXPECT_EQ(made.tokens_after, made.tokens_before);
    EXPECT_EQ(made.bytes, static_cast<int64_t>(few.size()));
    EXPECT_TRUE(made.missed.empty());
    expect_same(made, json, few);
    EXPECT_EQ(pruned(base, file, 0, 3).json, made.json);
    EXPECT_EQ(pruned(base, file, made.after).json, made.json);
    // What is not in the texts is still text.
    const std::string other = "abc ihg 987";
    const auto before = parse_tokenizer_json(json, "before");
    const auto now = parse_tokenizer_json(made.json, "now");
    EXPECT_EQ(now->decode(now->encode(other).ids), before->decode(before->encode(other).ids));
  }
}

// As SentencePiece's vocabularies are written: whatever two tokens make a third is a merge.
TEST(Prune, TokensThatComeAboutInSeveralWaysKeepThemAll) {
  test::TemporaryFolder folder;
  Json json = Json::parse(trained("bpe", folder.write("all", prose(600)), 700));
  Json& model = json["model"];
  Json merges = Json::array();
  std::vector<std::pair<int64_t, std::string>> pieces;
  for (const auto& [piece, id] : model["vocab"].items()) pieces.emplace_back(id, piece);
  std::sort(pieces.begin(), pieces.end());
  for (const auto& [id, piece] : pieces) {
    if (piece.starts_with('<')) continue;
    for (size_t cut = 1; cut < piece.size(); ++cut) {
      const std::string left = piece.substr(0, cut), right = piece.substr(cut);
      if (model["vocab"].contains(left) && model["vocab"].contains(right)) {
        merges.push_back({left, right});
      }
    }
  }
  EXPECT_GT(merges.size(), model["merges"].size());
  const std::string few = prose(30, 200), file = folder.write("few", few);
  for (const bool whole : {false, true}) {
    model["merges"] = merges;
    model["ignore_merges"] = whole;
    const PrunedTokenizer made = pruned(folder.write("base.json", json.dump()), file);
    EXPECT_LT(made.merges_after, made.merges_before);
    expect_same(made, json.dump(), few);
  }
}

TEST(Prune, WhatOtherPartsOfTheFileNameStaysAndIsRenumbered) {
  test::TemporaryFolder folder;
  Json json = Json::parse(trained("bpe", folder.write("all", prose(600)), 500));
  // Nothing but the template and the padding names these.
  const auto piece = [&](int64_t wanted) {
    for (const auto& [text, id] : json["model"]["vocab"].items()) {
      if (id == wanted) return text;
    }
    return std::string();
  };
  json["padding"] = {{"strategy", {{"Fixed", 12}}},
                     {"direction", "Right"},
                     {"pad_to_multiple_of", nullptr},
                     {"pad_id", 497},
                     {"pad_type_id", 0},
                     {"pad_token", piece(497)}};
  const std::string few = prose(20, 100), file = folder.write("few", few);
  const Json bert = {
      {"type", "BertProcessing"}, {"sep", {piece(499), 499}}, {"cls", {piece(498), 498}}};
  const Json special = {{"id", piece(499)}, {"ids", {499}}, {"tokens", {piece(499)}}};
  const Json sequence = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json last = {{"SpecialToken", {{"id", piece(499)}, {"type_id", 0}}}};
  const Json other = {{"Sequence", {{"id", "B"}, {"type_id", 0}}}};
  const Json made_of = {{"type", "TemplateProcessing"},
                        {"single", {sequence, last}},
                        {"pair", {sequence, last, other}},
                        {"special_tokens", {{piece(499), special}}}};
  const Json both = {{"type", "Sequence"}, {"processors", Json::array({made_of})}};
  for (const Json& part : {bert, made_of, both}) {
    json["post_processor"] = part;
    const PrunedTokenizer made = pruned(folder.write("base.json", json.dump()), file);
    EXPECT_LT(made.after, 450);
    expect_same(made, json.dump(), few);
    const auto base = parse_tokenizer_json(json.dump(), "base");
    const auto now = parse_tokenizer_json(made.json, "now");
    const EncodeOptions padded{.file_lengths = true};
    const std::vector<TokenId> ids = base->encode("a", padded).ids;
    EXPECT_EQ(ids.back(), 497);
    EXPECT_EQ(now->encode("a", padded).ids, mapped(made, ids));
  }
}

TEST(Prune, ASizeKeepsWhatIsUsedMostAndCanBeMerged) {
  test::TemporaryFolder folder;
  const std::string text = prose(300), file = folder.write("all", text);
  for (const std::string& name : std::vector<std::string>{"bpe", "unigram"}) {
    SCOPED_TRACE(name);
    const std::string json = trained(name, file, 600), base = folder.write("base.json", json);
    const int64_t all = pruned(base, file).after;
    int64_t before = 0;
    for (const int64_t size : {all - 40, all - 20, all}) {
      const PrunedTokenizer made = pruned(base, file, size);
      EXPECT_EQ(made.after, size);
      EXPECT_EQ(made.missed.empty(), size == all);
      EXPECT_TRUE(made.notes.empty());
      EXPECT_GE(made.tokens_after, made.tokens_before);
      EXPECT_TRUE(before == 0 || made.tokens_after <= before);
      before = made.tokens_after;
      // Every token is one that its merges still give.
      const auto now = parse_tokenizer_json(made.json, "now");
      const auto whole = parse_tokenizer_json(json, "whole");
      for (size_t id = 0; id < made.ids.size(); ++id) {
        if (made.ids[id] < 0 || name != "bpe") continue;
        const std::string_view bytes = whole->vocabulary().bytes(static_cast<TokenId>(id));
        if (bytes.empty()) continue;
        EXPECT_EQ(now->encode_piece(bytes), std::vector<TokenId>{made.ids[id]});
      }
    }
    try {
      pruned(base, file, 3);
      ADD_FAILURE() << "was accepted";
    } catch (const Error& error) {
      const std::string what = error.what();
      const size_t at = what.find(" is the least that works");
      ASSERT_NE(at, std::string::npos) << what;
      const int64_t least = std::stoll(what.substr(what.rfind(' ', at - 1) + 1));
      EXPECT_EQ(pruned(base, file, least).after, least);
    }
  }
}

TEST(Prune, RefusesTextsWithoutText) {
  test::TemporaryFolder folder;
  const std::string base = folder.write("b", trained("bpe", folder.write("t", prose(50)), 300));
  EXPECT_THROW(pruned(base, folder.write("empty", "")), Error);
  EXPECT_THROW(pruned(folder / "none", folder / "t"), Error);
}

TEST(Prune, RefusesTextsThatCanBeReadOnlyOnceBeforeItReadsThem) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", "text\n"), pipe = folder / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const auto said = [](const std::vector<std::string>& sources) {
    try {
      expect_readable_twice(sources);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(said({file, folder.path()}), "");
  EXPECT_NE(said({file, "-"}).find("standard input: can be read only once"), std::string::npos);
  EXPECT_NE(said({pipe}).find("pipe: can be read only once"), std::string::npos);
}

}  // namespace
}  // namespace tessera
