// What every trainer must keep, and what those that are here promise.
#include "tessera/tokenizer/train/trainer.h"

#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tessera/base/random.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/train/extend.h"
#include "tessera/tokenizer/train/supertokens_trainer.h"
#include "tests/base/guest_laws.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

std::string prose() {
  Random random(1);
  std::vector<std::string> words;
  for (int i = 0; i < 900; ++i) {
    std::string word(1 + random.below(7), 'a');
    for (char& c : word) c = static_cast<char>('a' + random.below(12));
    words.push_back(word);
  }
  words.emplace_back("\xD0\xB6\xD1\x83\xD0\xBA");
  std::string out;
  for (int i = 0; i < 12000; ++i) {
    out += words[random.below(1 + random.below(words.size()))] + (i % 11 == 0 ? "\n" : " ");
  }
  return out;
}

TrainingRequest request_of(int64_t size, int64_t threads = 1) {
  TrainingRequest request;
  request.vocab_size = size;
  request.threads = threads;
  return request;
}

TrainedTokenizer train(const std::string& spec, const std::vector<std::string>& sources,
                       const TrainingRequest& request) {
  TrainingTexts texts(sources, {});
  return make_guest<Trainer>(spec)->train(texts, request);
}

std::string fault_of(const std::string& spec, const std::vector<std::string>& sources,
                     const TrainingRequest& request) {
  try {
    train(spec, sources, request);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

TEST(TrainerLaws, EveryTrainerKeepsTheLawsOfGuests) { expect_guest_laws<Trainer>(); }

TEST(TrainerLaws, ThreadsAndOrderChangeNoByte) {
  test::TemporaryFolder folder;
  const std::string text = prose();
  const size_t half = text.find('\n', text.size() / 2) + 1;
  const std::string one = folder.write("1", text.substr(0, half));
  const std::string two = folder.write("2", text.substr(half));
  for (const auto& guest : guests<Trainer>()) {
    SCOPED_TRACE(guest.entry.name);
    const std::string& name = guest.entry.name;
    const std::string wanted = train(name, {one, two}, request_of(300)).json;
    EXPECT_EQ(train(name, {one, two}, request_of(300, 3)).json, wanted);
    if (guest.make(Spec::parse(name))->reads_in_order()) continue;
    EXPECT_EQ(train(name, {two, one}, request_of(300, 2)).json, wanted);
  }
}

TEST(TrainerLaws, SizesAreKeptAndWhatIsTooSmallNamesTheLeastThatWorks) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", prose());
  for (const auto& guest : guests<Trainer>()) {
    SCOPED_TRACE(guest.entry.name);
    const TrainedTokenizer made = train(guest.entry.name, {file}, request_of(320));
    EXPECT_EQ(made.tokens, 320);
    EXPECT_EQ(parse_tokenizer_json(made.json, "test")->vocabulary().size(), 320);
    const std::string fault = fault_of(guest.entry.name, {file}, request_of(3));
    const size_t at = fault.find(" is the least that works");
    ASSERT_NE(at, std::string::npos) << fault;
    const int64_t least = std::stoll(fault.substr(fault.rfind(' ', at - 1) + 1));
    EXPECT_EQ(train(guest.entry.name, {file}, request_of(least)).tokens, least);
    EXPECT_NE(fault_of(guest.entry.name, {file}, request_of(least - 1)), "none");
  }
}

TEST(TrainerLaws, EmptyTextsAndMissingOnesAreRefused) {
  test::TemporaryFolder folder;
  const std::string empty = folder.write("empty", "");
  for (const auto& guest : guests<Trainer>()) {
    SCOPED_TRACE(guest.entry.name);
    EXPECT_NE(fault_of(guest.entry.name, {empty}, request_of(500)).find("nothing to learn"),
              std::string::npos);
    EXPECT_NE(fault_of(guest.entry.name, {folder / "none"}, request_of(500)).find("none"),
              std::string::npos);
  }
}

TEST(TrainerLaws, TextsThatRunOutGiveWhatThereIsAndSaySo) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", "ab ab\n");
  for (const auto& guest : guests<Trainer>()) {
    SCOPED_TRACE(guest.entry.name);
    const TrainedTokenizer made = train(guest.entry.name, {file}, request_of(5000));
    EXPECT_LT(made.tokens, 5000);
    EXPECT_EQ(made.notes.size(), 1U);
  }
}

TEST(TrainerLaws, BytesThatAreNoUtf8DoNoHarm) {
  test::TemporaryFolder folder;
  Random random(2);
  std::string noise = prose();
  for (int i = 0; i < 5000; ++i)
    noise[random.below(noise.size())] = static_cast<char>(random.below(256));
  const std::string file = folder.write("t", noise);
  for (const auto& guest : guests<Trainer>()) {
    SCOPED_TRACE(guest.entry.name);
    const TrainedTokenizer made = train(guest.entry.name, {file}, request_of(600));
    parse_tokenizer_json(made.json, "test")->encode(noise);
  }
}

TEST(BpeTrainer, IsLosslessForAnyBytes) {
  test::TemporaryFolder folder;
  const auto made = train("bpe", {folder.write("t", prose())}, request_of(400));
  const auto tokenizer = parse_tokenizer_json(made.json, "test");
  Random random(3);
  for (int round = 0; round < 300; ++round) {
    std::string text(random.below(60), ' ');
    for (char& c : text) c = static_cast<char>(random.below(256));
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text).ids), text);
  }
}

TEST(BpeTrainer, SpecialTokensComeFirstAndStandOnce) {
  test::TemporaryFolder folder;
  TrainingRequest request = request_of(300);
  request.specials = {"<s>", "</s>", "<s>"};
  const auto made = train("bpe", {folder.write("t", prose())}, request);
  const auto tokenizer = parse_tokenizer_json(made.json, "test");
  EXPECT_EQ(tokenizer->vocabulary().find("</s>"), 1);
  EXPECT_EQ(tokenizer->vocabulary().role(0), TokenRole::control);
  EXPECT_EQ(Json::parse(made.json)["added_tokens"].size(), 2U);
}

TEST(BpeTrainer, MarkedSymbolsNeedCharacters) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", prose());
  EXPECT_NE(fault_of("bpe:end-suffix=</w>", {file}, request_of(300)).find("--pre-tokenizer"),
            std::string::npos);
  TrainingRequest request = request_of(100);
  request.pre_tokenizer = "whitespace";
  const auto made = train("bpe:end-suffix=</w>", {file}, request);
  const auto tokenizer = parse_tokenizer_json(made.json, "test");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("abc de").ids), "abc de");
}

TEST(UnigramTrainer, ByteTokensKeepWhatIsUnknown) {
  test::TemporaryFolder folder;
  const auto made =
      train("unigram:byte-fallback=on", {folder.write("t", prose())}, request_of(400));
  const auto tokenizer = parse_tokenizer_json(made.json, "test");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("abc \xE4\xB8\xAD").ids), "abc \xE4\xB8\xAD");
}

TEST(Chunker, ChunksHaveTheLengthsThatAreAskedForAndCoverTheText) {
  const Chunker chunker("2-3=1 7-9=2", 5);
  const std::string text = prose() + "\xE4\xB8\xAD\xFF\xD0\xB6";
  std::vector<size_t> ends;
  chunker.cut(text, ends);
  EXPECT_EQ(ends.back(), text.size());
  size_t begin = 0, longer = 0;
  for (size_t i = 0; i + 1 < ends.size(); ++i) {
    const size_t length = ends[i] - begin;
    begin = ends[i];
    EXPECT_TRUE(length == 2 || length == 3 || (length >= 7 && length <= 9) || i + 3 > ends.size())
        << length;
    longer += length > 3;
  }
  // Two of three, within five standard errors.
  const auto n = static_cast<double>(ends.size());
  EXPECT_NEAR(static_cast<double>(longer) / n, 2.0 / 3, 5 * std::sqrt(0.25 / n));
  std::vector<size_t> again;
  Chunker("2-3=1 7-9=2", 5).cut(text, again);
  EXPECT_EQ(again, ends);
  for (const char* bad : {"", "0-3=1", "4-3=1", "1-2", "1-2=0", "1-2=-1", "1-2=x", "1-2=1,"}) {
    EXPECT_THROW(Chunker(bad, 0), Error) << bad;
  }
}

TEST(Chunker, CutsInFrontOfSomeWhiteSpace) {
  const std::string text = prose();
  size_t all = 0;
  for (size_t i = 1; i < text.size(); ++i) {
    all += (text[i] == ' ' || text[i] == '\n') && text[i - 1] != ' ' && text[i - 1] != '\n';
  }
  for (const double chance : {0.3, 1.0}) {
    std::vector<size_t> ends;
    Chunker("1-1=1", 5, chance).cut(text, ends);
    ASSERT_EQ(ends.back(), text.size());
    ends.pop_back();
    for (size_t end : ends) EXPECT_TRUE(text[end] == ' ' || text[end] == '\n');
    const auto n = static_cast<double>(all);
    EXPECT_NEAR(static_cast<double>(ends.size()), chance * n,
                5 * std::sqrt(n * chance * (1 - chance)));
  }
}

// Oracle: bpe on whole texts, where every chunk is one.
TEST(SupertokensTrainer, WithoutCutsIsBpeWithoutWords) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", prose());
  TrainingRequest request = request_of(500);
  request.pre_tokenizer = "bytes";
  const std::string wanted = train("bpe", {file}, request).json;
  EXPECT_EQ(train("supertokens:chunks=\"9999-9999=1\",min-frequency=0,max-token-length=0", {file},
                  request_of(500))
                .json,
            wanted);
}

TEST(SupertokensTrainer, TokensReachOverSpacesAndLoseNothing) {
  test::TemporaryFolder folder;
  Random random(6);
  const std::vector<std::string> words = {"in", "the", "house", "of", "a", "cat", "\xC3\xA9"};
  std::string text;
  for (int i = 0; i < 6000; ++i) text += words[random.below(words.size())] + (i % 13 ? " " : "\n");
  const auto made = train("supertokens", {folder.write("t", text)}, request_of(900));
  const auto tokenizer = parse_tokenizer_json(made.json, "test");
  const Encoding encoding = tokenizer->encode(text);
  EXPECT_EQ(tokenizer->decode(encoding.ids), text);
  size_t over = 0;
  for (TokenId id : encoding.ids) {
    const std::string_view bytes = tokenizer->vocabulary().bytes(id);
    const size_t space = bytes.find(' ', 1);
    over += space != std::string_view::npos && space + 1 < bytes.size();
  }
  EXPECT_GT(over, encoding.ids.size() / 4);
}

// The text of a language that the base does not know.
std::string other_prose() {
  Random random(5);
  std::string out;
  for (int i = 0; i < 4000; ++i) {
    for (size_t n = 1 + random.below(5); n > 0; --n) out += "xyz"[random.below(3)];
    out += i % 9 == 0 ? "\n" : " ";
  }
  return out;
}

void expect_extended(const ExtendedTokenizer& made, const std::string& base_json) {
  const auto base = parse_tokenizer_json(base_json, "base");
  const auto now = parse_tokenizer_json(made.file, "now");
  EXPECT_EQ(made.before, base->vocabulary().size());
  EXPECT_EQ(made.after, now->vocabulary().size());
  EXPECT_TRUE(made.unreachable.empty());
  // No old id moves, and where no new token applies no id changes.
  for (TokenId id = 0; id < made.before; ++id) {
    EXPECT_EQ(now->vocabulary().piece(id), base->vocabulary().piece(id));
  }
  const std::string text = prose();
  EXPECT_EQ(now->encode(text).ids, base->encode(text).ids);
  const std::string other = other_prose();
  EXPECT_LT(now->encode(other).ids.size(), base->encode(other).ids.size());
  EXPECT_EQ(now->decode(now->encode(other).ids), other);
}

TEST(Extend, GoesOnWhereTheBaseEnded) {
  test::TemporaryFolder folder;
  TrainingRequest request = request_of(350);
  request.specials = {"<s>"};
  const std::string json = train("bpe", {folder.write("t", prose())}, request).json;
  const std::string base = folder.write("base.json", json);
  TrainingTexts texts({folder.write("other", other_prose())}, {});
  const ExtendedTokenizer made = extend_by_texts(base, texts, request_of(420, 2));
  EXPECT_EQ(made.after, 420);
  expect_extended(made, json);
}

// Oracle: training itself. Going on with a vocabulary on its own texts is training it longer.
TEST(Extend, OnTheSameTextsIsLongerTraining) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", prose());
  const std::string base = folder.write("base.json", train("bpe", {file}, request_of(320)).json);
  TrainingTexts texts({file}, {});
  const ExtendedTokenizer made = extend_by_texts(base, texts, request_of(420));
  EXPECT_EQ(Json::parse(made.file), Json::parse(train("bpe", {file}, request_of(420)).json));
}

TEST(Extend, TakesOverTheMergesOfAnotherVocabulary) {
  test::TemporaryFolder folder;
  const std::string json = train("bpe", {folder.write("t", prose())}, request_of(350)).json;
  const std::string base = folder.write("base.json", json);
  const std::string other = folder.write(
      "other.json", train("bpe", {folder.write("o", other_prose())}, request_of(300)).json);
  const ExtendedTokenizer made = extend_by_vocabulary(base, other, 380);
  expect_extended(made, json);
  EXPECT_EQ(made.after, 380);
  // A vocabulary without anything new is left as it is.
  const ExtendedTokenizer same = extend_by_vocabulary(base, base, 380);
  EXPECT_EQ(Json::parse(same.file), Json::parse(json));
}

TEST(Extend, RefusesWhatHasNoMergesOrNoRoom) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", prose());
  const std::string unigram =
      folder.write("u.json", train("unigram", {file}, request_of(100)).json);
  TrainingTexts texts({file}, {});
  EXPECT_THROW(extend_by_texts(unigram, texts, request_of(420)), Error);
  const std::string base = folder.write("base.json", train("bpe", {file}, request_of(320)).json);
  EXPECT_THROW(extend_by_texts(base, texts, request_of(320)), Error);
  EXPECT_THROW(extend_by_vocabulary(base, unigram, 420), Error);
}

}  // namespace
}  // namespace tessera
