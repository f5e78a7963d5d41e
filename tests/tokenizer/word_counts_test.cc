#include "tessera/tokenizer/train/word_counts.h"

#include <map>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"
#include "tessera/base/random.h"
#include "tessera/tokenizer/tokenizer_json.h"
#include "tests/base/rounds.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using Counts = std::map<std::string, int64_t>;

Counts words_of(TextCutter& cutter, const TextBlock& block) {
  Counts out;
  cutter.cut(block, [&](const char* word, size_t size) { ++out[std::string(word, size)]; });
  return out;
}

// Oracle: the parts themselves, one line after another.
Counts words_by_parts(const CuttingParts& json, std::string_view text) {
  simdjson::dom::parser parser;
  const auto parts =
      read_pre_tokenizer(JsonValue(parse_json(parser, json.pre_tokenizer, "test"), "test", ""));
  Counts out;
  TextBlock(std::string(text), {}).each_text([&](std::string_view line) {
    PreTokens words{AlignedText(line), {{0, line.size()}}};
    parts->split(words);
    for (const ByteRange& piece : words.pieces) {
      ++out[std::string(words.text.text().substr(piece.begin, piece.size()))];
    }
  });
  return out;
}

std::string random_text(Random& random, size_t pieces) {
  static const std::vector<std::string> kPieces = {
      " ",        "  ",       "\n",   "\n\n",         "\t",       "\r\n",         "\r",
      "a",        "B",        "foo",  "Bar9",         "12345",    "'s",           "'",
      "'LL",      ";",        "/",    "//",           "\xC2\xA0", "\xE3\x80\x80", "\xC3\xA9",
      "\xCC\x81", "\xD0\x96", "\xFF", "\xE4\xB8\xAD", "..",       "\xE2\x80\xA8", "\xC2\x85",
      "\v"};
  std::string out;
  for (size_t i = 0; i < pieces; ++i) out += kPieces[random.below(kPieces.size())];
  return out;
}

TEST(TextCutter, CutsBlocksOfLinesAsThePartsCutEveryLine) {
  for (const char* name : {"gpt2", "cl100k", "o200k", "bytes", "whitespace", "bert"}) {
    SCOPED_TRACE(name);
    const CuttingParts parts = cutting_named(name);
    TextCutter cutter(parts);
    Random random(1);
    for (int round = 0; round < test::rounds(250); ++round) {
      const std::string text = random_text(random, 1 + random.below(40));
      ASSERT_EQ(words_of(cutter, TextBlock(text, {})), words_by_parts(parts, text))
          << testing::PrintToString(text);
    }
    const std::string text = random_text(random, 5000);
    const Counts found = words_of(cutter, TextBlock(text, {})),
                 wanted = words_by_parts(parts, text);
    for (const auto& [word, count] : wanted) {
      const auto at = found.find(word);
      ASSERT_EQ(at == found.end() ? 0 : at->second, count) << testing::PrintToString(word);
    }
    EXPECT_EQ(found.size(), wanted.size());
  }
}

// Of what cl100k lets punctuation take along, a return that begins the next line is not.
TEST(TextCutter, ReturnsThatBeginALineStayThere) {
  const CuttingParts parts = cutting_named("cl100k");
  TextCutter cutter(parts);
  const std::string text = ";\n\r\xE2\x80\xA8\r";
  EXPECT_EQ(words_of(cutter, TextBlock(text, {})), words_by_parts(parts, text));
}

TEST(TextCutter, TextsOfTheirOwnKeepTheirLinesTogether) {
  TextCutter cutter(cutting_named("gpt2"));
  EXPECT_EQ(words_of(cutter, TextBlock("a\n\n b c", {6, 7})),
            (Counts{{"a", 1}, {"\n\n", 1}, {" b", 1}, {" ", 1}, {"c", 1}}));
}

TEST(TextCutter, PlacesToCutChangeNoWord) {
  const CuttingParts parts = cutting_named("gpt2");
  TextCutter cutter(parts);
  Random random(2);
  for (int round = 0; round < 300; ++round) {
    std::string text = random_text(random, 30);
    std::erase(text, '\n');
    text += "x y";
    const size_t at = cutter.place_to_cut(text);
    ASSERT_GT(at, 0U);
    ASSERT_LT(at, text.size());
    Counts halves = words_of(cutter, TextBlock(text.substr(0, at), {}));
    for (const auto& [word, n] : words_of(cutter, TextBlock(text.substr(at), {})))
      halves[word] += n;
    EXPECT_EQ(halves, words_of(cutter, TextBlock(text, {})));
  }
}

TEST(TextCutter, RefusesNamesThatItDoesNotKnow) {
  try {
    cutting_named("gtp2");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("Did you mean gpt2?"), std::string::npos);
  }
  EXPECT_THROW(normaliser_named("nfx"), Error);
}

TEST(WordTable, CountsWordsOfAnyLength) {
  WordTable table;
  Counts wanted;
  Random random(3);
  for (int i = 0; i < 40000; ++i) {
    std::string word(1 + random.below(random.below(10) == 0 ? 60 : 4), 'a');
    for (char& c : word) c = static_cast<char>(random.below(256));
    wanted[word] += 2;
    std::string padded = word + std::string(TextBlock::kPadding, static_cast<char>(i));
    table.add(std::string_view(padded).substr(0, word.size()), 2);
  }
  Counts found;
  table.each([&](std::string_view word, int64_t count) { found[std::string(word)] += count; });
  EXPECT_EQ(found, wanted);
  EXPECT_EQ(table.size(), wanted.size());
}

WordCounts count(const std::vector<std::string>& sources, int64_t threads, int64_t memory) {
  TrainingTexts texts(sources, {});
  TrainingRequest request;
  request.threads = threads;
  request.memory = memory;
  return count_words(texts, cutting_named("gpt2"), request);
}

Counts listed(const WordCounts& counts) {
  Counts out;
  std::string_view before;
  for (const CountedWord& w : counts.words) {
    EXPECT_TRUE(out.empty() || before < w.word);
    before = w.word;
    out[std::string(w.word)] = w.count;
  }
  return out;
}

// Words of many frequencies, 20,000 of them different.
std::vector<std::string> sources_of(const test::TemporaryFolder& folder) {
  Random random(4);
  std::vector<std::string> sources;
  for (int file = 0; file < 3; ++file) {
    std::string text;
    for (int i = 0; i < 100000; ++i) {
      text += "w" + std::to_string(random.below(1 + random.below(30000))) + (i % 9 ? " " : "\n");
    }
    sources.push_back(folder.write("f" + std::to_string(file), text));
  }
  return sources;
}

TEST(CountWords, ThreadsOrderAndSpillingChangeNothing) {
  test::TemporaryFolder folder;
  std::vector<std::string> sources = sources_of(folder);
  const WordCounts plain = count(sources, 1, 0);
  const Counts wanted = listed(plain);
  EXPECT_GT(wanted.size(), 10000U);
  EXPECT_EQ(plain.spilled, 0);
  std::reverse(sources.begin(), sources.end());
  EXPECT_EQ(listed(count(sources, 3, 0)), wanted);
  // So many threads have little room each, and with what is left at the end more tables than are
  // merged at a time.
  const WordCounts spilled = count(sources, 24, 16 << 20);
  EXPECT_GT(spilled.spilled, 24);
  EXPECT_EQ(spilled.total, plain.total);
  EXPECT_EQ(spilled.distinct, plain.distinct);
  EXPECT_EQ(listed(spilled), wanted);
}

TEST(CountWords, SpillingChangesNoByteOfAVocabulary) {
  test::TemporaryFolder folder;
  const std::vector<std::string> sources = sources_of(folder);
  std::string wanted;
  for (const bool bounded : {false, true}) {
    TrainingTexts texts(sources, {});
    TrainingRequest request;
    request.vocab_size = 500;
    request.threads = bounded ? 24 : 1;
    request.memory = bounded ? 16 << 20 : 0;
    const TrainedTokenizer made = make_guest<Trainer>("bpe")->train(texts, request);
    if (!bounded) wanted = made.json;
    EXPECT_EQ(made.json, wanted);
    EXPECT_TRUE(made.notes.empty());
  }
}

TEST(CountWords, WhatDoesNotFitIsTheRarestAndIsCounted) {
  test::TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 60000; ++i) {
    const std::string word = "rare" + std::to_string(i) + " ";
    text += word + (i % 4 == 0 ? word : "");
  }
  const WordCounts all = count({folder.write("f", text)}, 1, 0);
  const WordCounts some = count({folder.path()}, 2, 16 << 20);
  EXPECT_EQ(some.total, all.total);
  EXPECT_EQ(some.distinct, all.distinct);
  EXPECT_GT(some.left_out, 0);
  EXPECT_EQ(some.rarest, 1);
  EXPECT_EQ(some.lost, some.left_out);
  for (const CountedWord& w : some.words) EXPECT_GT(w.count, 1);
  EXPECT_EQ(static_cast<int64_t>(some.words.size()) + some.left_out, all.distinct);
}

TEST(TrainingTexts, LinesWithoutAnEndAreCutInBoundedParts) {
  test::TemporaryFolder folder;
  std::string text;
  while (text.size() < 5 << 20) text += "a longer line ";
  TrainingTexts texts({folder.write("f", text)}, {.longest_line = 2 << 20});
  TextCutter cutter(cutting_named("gpt2"));
  Counts found;
  size_t largest = 0;
  texts.read(
      1, [&](std::string_view line) { return cutter.place_to_cut(line); },
      [&](const TextBlock& block, size_t) {
        largest = std::max(largest, block.bytes().size());
        for (const auto& [word, n] : words_of(cutter, block)) found[word] += n;
      });
  EXPECT_EQ(found, words_of(cutter, TextBlock(text, {})));
  EXPECT_LT(largest, size_t{4} << 20);
  EXPECT_GT(texts.cut_lines(), 0);
}

TEST(TrainingTexts, WhatTheWorkThrowsEndsTheReading) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("f", std::string(9 << 20, '\n'));
  for (int64_t threads : {1, 3}) {
    TrainingTexts texts({file, file}, {});
    EXPECT_THROW(texts.read(threads, {}, [](const TextBlock&, size_t) { throw Error("x", "y"); }),
                 Error);
  }
  TrainingTexts none({folder / "missing"}, {});
  EXPECT_THROW(none.read(2, {}, [](const TextBlock&, size_t) {}), Error);
}

}  // namespace
}  // namespace tessera
