// Oracles: the plain trainer, sizes by hand, texts that come back.
#include "tessera/tokenizer/train/forced_trainer.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "tessera/base/guest.h"
#include "tessera/base/random.h"
#include "tessera/text/normalise.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/train/forced_groups.h"
#include "tessera/tokenizer/train/recipes.h"
#include "tests/base/refusal.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using test::expect_says;
using test::refusal;

constexpr EncodeOptions kContent{.add_template = false};

std::string prose() {
  Random random(4);
  std::string out;
  for (int i = 0; i < 9000; ++i) {
    std::string word(1 + random.below(6), 'a');
    for (char& c : word) c = static_cast<char>('a' + random.below(1 + random.below(9)));
    out += word + (i % 13 == 0 ? "\n" : " ");
  }
  return out;
}

TrainedTokenizer train(const std::string& spec, const std::string& file, int64_t size,
                       const std::vector<std::string>& specials = {},
                       const std::string& normaliser = "") {
  TrainingTexts texts({file}, {});
  TrainingRequest request;
  request.vocab_size = size;
  request.specials = specials;
  request.normaliser = normaliser;
  return make_guest<Trainer>(spec)->train(texts, request);
}

double figure(const TrainedTokenizer& made, const std::string& name) {
  for (const TrainingFigure& f : made.figures) {
    if (f.name == name) return f.value;
  }
  return -1;
}

size_t tokens_in(const Tokenizer& t, const std::string& text) {
  return t.encode(text, kContent).ids.size();
}

TEST(ForcedTrainer, WithNothingForcedIsBytePairs) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", prose());
  const auto plain = parse_tokenizer_json(train("bpe", file, 400).json, "plain");
  const auto forced = parse_tokenizer_json(train("forced", file, 400).json, "forced");
  ASSERT_EQ(forced->vocabulary().size(), plain->vocabulary().size());
  for (TokenId id = 0; id < plain->vocabulary().size(); ++id) {
    EXPECT_EQ(forced->vocabulary().piece(id), plain->vocabulary().piece(id));
  }
}

TEST(ForcedTrainer, SizesAreThePowerOfTwoThatIsAskedForOrTheNextOne) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", prose()), few = folder.write("few", "ab ab ab\n");
  for (const std::string& from : {file, few}) {
    for (const int64_t size : {600, 1024}) {
      const auto made = train("forced:groups=json+years,pad=on", from, size, {"<a>", "<b>"});
      EXPECT_EQ(made.tokens, 1024);
      const auto t = parse_tokenizer_json(made.json, "test");
      EXPECT_EQ(t->vocabulary().size(), 1024);
      EXPECT_EQ(t->vocabulary().find("<b>"), 1);
      EXPECT_EQ(figure(made, "forced_learned") + figure(made, "forced_added"),
                static_cast<double>(forced_groups("json+years").size()));
      const std::string tried = "in 1776, {\"a\": null}\n\n\n   \xFF end";
      EXPECT_EQ(t->decode(t->encode(tried, kContent).ids), tried);
    }
  }
}

TEST(ForcedTrainer, SizesOfAnyForcedTokensAreAPowerOfTwo) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", prose().substr(0, 4000));
  Random random(3);
  const std::vector<std::string> groups = {"json", "xml", "markdown", "whitespace"};
  const std::vector<std::string> specials = {"<a>", "<b>"};
  for (int round = 0; round < 20; ++round) {
    std::string named = "json";
    for (const std::string& group : groups) {
      if (group != "json" && random.below(2) == 0) named += "+" + group;
    }
    const auto forced = static_cast<int64_t>(forced_groups(named).size());
    const int64_t least = 256 + 2 + forced;
    const int64_t size = least + static_cast<int64_t>(random.below(400));
    const std::string match = round % 2 == 0 ? "auto" : "added";
    const auto made =
        train("forced:pad=on,match=" + match + ",groups=" + named, file, size, specials);
    EXPECT_GE(made.tokens, size);
    EXPECT_EQ(made.tokens & (made.tokens - 1), 0);
    EXPECT_LT(made.tokens, 2 * size);
    const auto t = parse_tokenizer_json(made.json, "test");
    EXPECT_EQ(t->vocabulary().size(), made.tokens);
    EXPECT_EQ(t->vocabulary().find("<a>"), 0);
    for (TokenId id = 0; id < made.tokens; ++id) EXPECT_FALSE(t->vocabulary().piece(id).empty());
  }
}

TEST(ForcedTrainer, AWideGapIsFilledWithNames) {
  test::TemporaryFolder folder;
  const auto made =
      train("forced:pad=on", folder.write("few", "ab ab ab\n"), 4000, {"<|unused1|>"});
  EXPECT_EQ(made.tokens, 4096);
  const auto t = parse_tokenizer_json(made.json, "test");
  EXPECT_EQ(tokens_in(*t, std::string(1000, ' ')), 1u);
  EXPECT_EQ(t->vocabulary().find("<|unused1|>"), 0);
  const auto name = t->vocabulary().find("<|unused2|>");
  ASSERT_TRUE(name);
  EXPECT_EQ(t->vocabulary().role(*name), TokenRole::control);
  EXPECT_GT(tokens_in(*t, "<|unused2|>"), 1u);
}

TEST(ForcedTrainer, TokensStandWhereTheyAreForcedAndCutNoWords) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", prose());
  const std::string extra = folder.write("f", "42 U.S.C. § 1983\n\npany\n");
  const auto t = parse_tokenizer_json(
      train("forced:groups=all,tokens=\"" + extra + "\"", file, 6000).json, "auto");
  for (const char* whole : {"42 U.S.C. § 1983", "(iv)", "1776", "<div", "\n\n\n", "999"}) {
    EXPECT_EQ(tokens_in(*t, whole), 1u) << whole;
  }
  // 17761 holds 1776 and 177, company holds pany.
  EXPECT_EQ(tokens_in(*t, "17761"), 5u);
  EXPECT_EQ(tokens_in(*t, "company"), 7u);
  const auto added = parse_tokenizer_json(
      train("forced:match=added,groups=all,tokens=\"" + extra + "\"", file, 6000).json, "added");
  EXPECT_EQ(tokens_in(*added, "17761"), 2u);
  EXPECT_LT(tokens_in(*added, "company"), 5u);
  const auto single = parse_tokenizer_json(
      train("forced:match=single-word,groups=enumerations", file, 700).json, "single");
  EXPECT_EQ(tokens_in(*single, "(iv)"), 1u);
  EXPECT_GT(tokens_in(*single, "a(iv)b"), 3u);
}

// Oracle: the learned merges alone. Seeded ones join what these leave, and cut nothing.
TEST(ForcedTrainer, SeededTokensAreMergedAndCutNothing) {
  test::TemporaryFolder folder;
  std::string text = prose();
  for (int i = 0; i < 400; ++i) text += " the Company had 12345 and 17761 in hand\n";
  const std::string file = folder.write("t", text);
  const std::string extra = folder.write("f", "42 U.S.C. \xC2\xA7 1983\npany\nomp\n123\n");
  const std::string spec = "forced:match=seeded,min-frequency=50,tokens=\"" + extra + "\",groups=";
  const auto made = train(spec + "years+numbers+whitespace", file, 2900);
  EXPECT_LE(made.tokens, 2900);
  EXPECT_EQ(figure(made, "unreachable"), 0);
  const auto t = parse_tokenizer_json(made.json, "seeded");
  const auto seeded = static_cast<int64_t>(figure(made, "seeded"));
  EXPECT_GT(seeded, 500);
  const std::string behind = "a ";
  for (const char* word : {"1776", "2049", "10", "999", "pany", "omp", "123"}) {
    EXPECT_EQ(tokens_in(*t, word), 1u) << word;
    EXPECT_EQ(tokens_in(*t, behind + word), 2u) << word;
  }
  EXPECT_EQ(tokens_in(*t, "\n\n\n"), 1u);
  // More than a word: added, as there is no merge for it.
  EXPECT_EQ(tokens_in(*t, "42 U.S.C. \xC2\xA7 1983"), 1u);
  // What the texts taught stays whole around a forced token, which an added one would cut out.
  for (const char* word : {" Company", " 12345", " 17761"}) EXPECT_EQ(tokens_in(*t, word), 1u);
  const auto added = parse_tokenizer_json(
      train("forced:match=added,min-frequency=50,tokens=\"" + extra + "\",groups=years", file, 2900)
          .json,
      "added");
  for (const char* word : {" Company", " 12345", " 17761"}) EXPECT_GT(tokens_in(*added, word), 1u);
  const auto learned = parse_tokenizer_json(
      train("bpe:min-frequency=50", file, made.tokens - seeded).json, "learned");
  size_t joined = 0;
  Random random(8);
  for (int round = 0; round < 300; ++round) {
    std::string tried;
    for (size_t n = 1 + random.below(30); n > 0; --n)
      tried += "0123456789 abp\n\n"[random.below(16)];
    const auto now = t->encode(tried, kContent).spans,
               before = learned->encode(tried, kContent).spans;
    for (const ByteSpan& span : now) {
      EXPECT_TRUE(std::any_of(before.begin(), before.end(), [&](const ByteSpan& b) {
        return b.begin == span.begin;
      })) << tried;
    }
    joined += before.size() - now.size();
    EXPECT_EQ(t->decode(t->encode(tried, kContent).ids), tried);
  }
  EXPECT_GT(joined, 100u);
  expect_says(refusal([&] { train("forced:match=seeded,groups=years+numbers", file, 1700); }),
              "is the least that works");
}

TEST(ForcedTrainer, TheLengthOfTokensIsBounded) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", prose());
  size_t longest_of_all = 0;
  for (const int64_t most : {2, 3, 4}) {
    std::string spec = "forced:max-chars=";
    const auto made = train(spec.append(std::to_string(most)), file, 500);
    const auto t = parse_tokenizer_json(made.json, "test");
    size_t longest = 0;
    for (TokenId id = 0; id < t->vocabulary().size(); ++id) {
      longest = std::max(longest, t->vocabulary().bytes(id).size());
    }
    EXPECT_EQ(longest, static_cast<size_t>(most));
    EXPECT_EQ(figure(made, "unreachable"), 0);
    longest_of_all = std::max(longest_of_all, longest);
  }
  const auto free = parse_tokenizer_json(train("forced", file, 500).json, "test");
  size_t longest = 0;
  for (TokenId id = 0; id < free->vocabulary().size(); ++id) {
    longest = std::max(longest, free->vocabulary().bytes(id).size());
  }
  EXPECT_GT(longest, longest_of_all);
}

TEST(ForcedTrainer, WhatCannotBeForcedIsRefusedOrSaid) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", prose());
  const std::string half = folder.write("half", "½a\nTWO\n");
  const auto made = train("forced:tokens=\"" + half + "\"", file, 400, {}, "nfkc");
  ASSERT_EQ(made.notes.size(), 1u);
  expect_says(made.notes[0],
              "1 forced tokens are kept as --normalizer nfkc changes them, such as ½a");
  const auto t = parse_tokenizer_json(made.json, "test");
  EXPECT_EQ(tokens_in(*t, "½a"), 1u);
  expect_says(refusal([&] { train("forced:groups=all", file, 1000); }), "is the least that works");
  expect_says(refusal([&] { train("forced:groups=years+hmtl", file, 1000); }),
              "\"hmtl\" is no group");
  expect_says(refusal([&] { train("forced:max-chars=1", file, 1000); }), "max-chars");
  expect_says(refusal([&] {
                train("forced:tokens=\"" + folder.write("s", "<s>\n") + "\"", file, 400, {"<s>"});
              }),
              "is a special token, too");
  expect_says(refusal([&] {
                train("forced:tokens=\"" + folder.write("b", "ok\n\xFF\n") + "\"", file, 400);
              }),
              "b: line 2: is not UTF-8");
}

TEST(Recipes, AreTrainersWithTheirSpecialTokens) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", prose());
  TrainingRequest request;
  request.vocab_size = 600;
  request.specials = {"<mine>"};
  const std::string spec = recipe_spec("char:max-chars=2", request);
  EXPECT_EQ(request.specials.size(), 8u);
  EXPECT_EQ(request.specials[0], "<|start|>");
  EXPECT_EQ(request.normaliser, "nfkc");
  TrainingTexts texts({file}, {});
  const auto made = make_guest<Trainer>(spec)->train(texts, request);
  EXPECT_EQ(made.tokens, 1024);
  const auto t = parse_tokenizer_json(made.json, "test");
  EXPECT_EQ(t->vocabulary().find("<|mask|>"), 6);
  // Every byte but those of what NFKC changes comes back.
  for (int b = 0; b < 128; ++b) {
    const std::string text(1, static_cast<char>(b));
    EXPECT_EQ(t->decode(t->encode(text, kContent).ids), text);
  }
  for (const char* text : {"Ünïcode ﬁne ½", "日本語 の テキスト", "عربى\tdoc", "a\r\n\r\nb  c"}) {
    EXPECT_EQ(t->decode(t->encode(text, kContent).ids), normalise(text, NormalForm::nfkc));
  }
  expect_says(refusal([&] { recipe_spec("domian", request); }), "Did you mean domain?");
}

}  // namespace
}  // namespace tessera
