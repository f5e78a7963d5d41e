// `extend` of WordPiece and Unigram: old ids stay, every text comes back, new tokens come out.
#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tessera/base/guest.h"
#include "tessera/base/random.h"
#include "tessera/text/corpus.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/train/extend.h"
#include "tests/base/refusal.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using Json = nlohmann::json;
using test::expect_says;
using test::refusal;

constexpr EncodeOptions kContent{.add_template = false};

std::string prose(const std::string& letters, uint64_t seed) {
  Random random(seed);
  std::vector<std::string> words;
  for (int i = 0; i < 60; ++i) {
    std::string word;
    for (size_t n = 2 + random.below(6); n > 0; --n) word += letters[random.below(letters.size())];
    words.push_back(word);
  }
  std::string out;
  for (int i = 0; i < 1500; ++i) out += words[random.below(60)] + (i % 9 == 8 ? "\n" : " ");
  out.pop_back();
  return out;
}

const std::string kOld = prose("abcdefgh", 1), kNew = prose("abxyzw", 2);

std::string trained(const test::TemporaryFolder& folder, const std::string& spec,
                    const std::string& text, int64_t size) {
  TrainingTexts texts({folder.write("train.txt", text)}, {});
  TrainingRequest request;
  request.vocab_size = size;
  request.specials = {"<s>"};
  return make_guest<Trainer>(spec)->train(texts, request).json;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  each_line(text, [&](std::string_view line) { out.emplace_back(line); });
  return out;
}

void expect_old_ids(const ExtendedTokenizer& made, const std::string& base_json, bool unknown_new) {
  const auto base = parse_tokenizer_json(base_json, "base");
  const auto now = parse_tokenizer_json(made.file, "now");
  EXPECT_EQ(made.before, base->vocabulary().size());
  ASSERT_EQ(made.after, now->vocabulary().size());
  for (TokenId id = 0; id < made.before; ++id) {
    EXPECT_EQ(now->vocabulary().piece(id), base->vocabulary().piece(id));
    EXPECT_EQ(now->vocabulary().role(id), base->vocabulary().role(id));
  }
  size_t before = 0, after = 0;
  for (const std::string& line : lines_of(kNew)) {
    before += base->encode(line, kContent).ids.size();
    const auto ids = now->encode(line, kContent).ids;
    after += ids.size();
    EXPECT_EQ(now->decode(ids), line);
  }
  if (!unknown_new) {
    EXPECT_LT(after, before);
  }
  for (const std::string& line : lines_of(kOld)) {
    EXPECT_EQ(now->decode(now->encode(line, kContent).ids), line);
  }
}

TEST(ExtendWordPiece, GoesOnWithItsCharactersAndWords) {
  test::TemporaryFolder folder;
  const std::string json = trained(folder, "wordpiece", kOld, 120);
  const std::string base = folder.write("base.json", json);
  std::string first;
  for (const int64_t threads : {1, 3}) {
    TrainingTexts texts({folder.write("new", kNew)}, {});
    TrainingRequest request;
    request.vocab_size = 200;
    request.threads = threads;
    const ExtendedTokenizer made = extend_by_texts(base, texts, request);
    EXPECT_EQ(made.after, 200);
    EXPECT_TRUE(made.unreachable.empty());
    // x, y and z are new to the base: its tokens of such a word are one, the unknown one.
    expect_old_ids(made, json, true);
    // A text that no new token begins or goes on in keeps its ids.
    const auto before = parse_tokenizer_json(json, "base"),
               now = parse_tokenizer_json(made.file, "now");
    for (const char* text : {"cdef", "hgfedc", "fefe dcdc"}) {
      EXPECT_EQ(now->encode(text, kContent).ids, before->encode(text, kContent).ids);
    }
    if (threads == 1) first = made.file;
    EXPECT_EQ(made.file, first);
  }
  TrainingTexts texts({folder / "new"}, {});
  TrainingRequest request;
  request.vocab_size = 122;
  expect_says(refusal([&] { extend_by_texts(base, texts, request); }), "is the least that works");
}

TEST(ExtendWordPiece, TakesOverTheWordsOfAnother) {
  test::TemporaryFolder folder;
  const std::string json = trained(folder, "wordpiece", kOld, 120);
  const std::string base = folder.write("base.json", json);
  // Marks its tokens otherwise, and knows capitals, which the base lowers.
  const std::string other =
      folder.write("other.json", trained(folder, "wordpiece:prefix=@@", kNew, 150));
  const ExtendedTokenizer made = extend_by_vocabulary(base, other, 220);
  EXPECT_TRUE(made.unreachable.empty());
  expect_old_ids(made, json, true);
  const auto now = parse_tokenizer_json(made.file, "now");
  for (TokenId id = 0; id < made.after; ++id) {
    EXPECT_FALSE(now->vocabulary().piece(id).starts_with("@@"));
  }
  EXPECT_EQ(extend_by_vocabulary(base, base, 220).after, made.before);
  const std::string cased = folder.write("cased.json", [&] {
    TrainingTexts texts({folder.write("caps", "AB AB CD CD ab ab xy xy\n")}, {});
    TrainingRequest request;
    request.vocab_size = 40;
    request.normaliser = "bert-cased";
    return make_guest<Trainer>("wordpiece")->train(texts, request).json;
  }());
  const ExtendedTokenizer lower = extend_by_vocabulary(base, cased, 220);
  ASSERT_FALSE(lower.notes.empty());
  expect_says(lower.notes[0], "would change or cut");
  EXPECT_FALSE(parse_tokenizer_json(lower.file, "now")->vocabulary().find("AB"));
  EXPECT_TRUE(parse_tokenizer_json(lower.file, "now")->vocabulary().find("xy"));
}

TEST(ExtendUnigram, AddedPiecesHaveTheirShareOrTheScoresThatTheyHad) {
  test::TemporaryFolder folder;
  const std::string json = trained(folder, "unigram:byte-fallback=on", kOld, 400);
  const std::string base = folder.write("base.json", json);
  const std::string other_json = trained(folder, "unigram", kNew, 100);
  const std::string other = folder.write("other.json", other_json);
  for (const double share : {0.1, 0.5, 0.9}) {
    const ExtendedTokenizer made =
        extend_by_vocabulary(base, other, 1000, AddedScores::behind, share);
    expect_old_ids(made, json, false);
    double before = 0, added = 0;
    const auto now = parse_tokenizer_json(made.file, "now");
    const Json vocab = Json::parse(made.file)["model"]["vocab"];
    for (TokenId id = 0; id < made.after; ++id) {
      if (now->vocabulary().role(id) != TokenRole::normal) continue;
      (id < made.before ? before : added) +=
          std::exp(vocab[static_cast<size_t>(id)][1].get<double>());
    }
    EXPECT_NEAR(added / (before + added), share, 1e-4);
  }
  const ExtendedTokenizer own = extend_by_vocabulary(base, other, 1000, AddedScores::own);
  expect_old_ids(own, json, false);
  const Json theirs = Json::parse(other_json)["model"]["vocab"];
  const Json now = Json::parse(own.file)["model"]["vocab"];
  const Json& last = now.back();
  EXPECT_TRUE(std::any_of(theirs.begin(), theirs.end(), [&](const Json& piece) {
    return piece[0] == last[0] && std::abs(piece[1].get<double>() - last[1].get<double>()) < 1e-5;
  }));
  TrainingTexts texts({folder.write("new", kNew)}, {});
  TrainingRequest request;
  request.vocab_size = 1000;
  expect_says(refusal([&] { extend_by_texts(base, texts, request); }), "--mode append");
  expect_says(refusal([&] {
                extend_by_vocabulary(
                    base, folder.write("w.json", trained(folder, "wordpiece", kNew, 100)), 1000);
              }),
              "of another kind");
}

// Added tokens may stand behind the list of pieces, whose places are ids.
TEST(ExtendUnigram, AddedTokensBehindTheListKeepTheirIds) {
  test::TemporaryFolder folder;
  Json json = Json::parse(trained(folder, "unigram:byte-fallback=on", kOld, 400));
  const size_t size = json["model"]["vocab"].size();
  Json mask = json["added_tokens"][0];
  mask["id"] = size;
  mask["content"] = "<mask>";
  json["added_tokens"].push_back(mask);
  const std::string base = folder.write("base.json", json.dump());
  const std::string other = folder.write("other.json", trained(folder, "unigram", kNew, 100));
  const ExtendedTokenizer made = extend_by_vocabulary(base, other, 1000);
  expect_old_ids(made, json.dump(), false);
  const auto now = parse_tokenizer_json(made.file, "now");
  EXPECT_EQ(now->vocabulary().find("<mask>"), static_cast<TokenId>(size));
  EXPECT_GT(now->encode("<mask>", kContent).ids.size(), 1u);
  mask["id"] = size + 5;
  json["added_tokens"].back() = mask;
  expect_says(
      refusal([&] { extend_by_vocabulary(folder.write("h.json", json.dump()), other, 1000); }),
      "id");
}

}  // namespace
}  // namespace tessera
