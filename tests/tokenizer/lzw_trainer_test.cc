// Oracles: a textbook LZW over a map of strings; longest matches found by trying every length.
#include "tessera/tokenizer/train/lzw_trainer.h"

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/base/random.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

std::vector<std::string> textbook(const std::string& text, size_t size) {
  std::vector<std::string> entries;
  std::set<std::string> known;
  for (int byte = 0; byte < 256; ++byte) entries.emplace_back(1, static_cast<char>(byte));
  known.insert(entries.begin(), entries.end());
  std::string held;
  for (const char c : text) {
    if (known.contains(held + c)) {
      held += c;
      continue;
    }
    if (entries.size() == size) break;
    known.insert(held + c);
    entries.push_back(held + c);
    held = c;
  }
  return entries;
}

std::string random_text(Random& random, size_t length, uint64_t letters) {
  std::string text(length, 'a');
  for (char& c : text) c = static_cast<char>('a' + random.below(letters));
  return text;
}

TrainedTokenizer train(const LzwTrainerOptions& options, const std::vector<std::string>& sources,
                       const TrainingRequest& request) {
  TrainingTexts texts(sources, {});
  return lzw_trainer(options)->train(texts, request);
}

TEST(LzwDictionary, IsThatOfATextbook) {
  Random random(1);
  std::string period;
  for (int i = 0; i < 200; ++i) period += "ab";
  for (int round = 0; round < 300; ++round) {
    const std::string text =
        round == 0 ? period : random_text(random, random.below(400), 1 + random.below(4));
    const size_t size = 256 + random.below(60);
    LzwDictionary dictionary(size, 0);
    dictionary.read(text);
    EXPECT_EQ(dictionary.entries(), textbook(text, size)) << text;
  }
}

TEST(LzwDictionary, EveryEntryIsAnotherOneAndAByte) {
  Random random(2);
  LzwDictionary dictionary(2000, 5);
  for (int i = 0; i < 300; ++i) dictionary.read(random_text(random, 60, 3));
  const auto entries = dictionary.entries();
  const std::set<std::string> all(entries.begin(), entries.end());
  EXPECT_EQ(all.size(), entries.size());
  for (const std::string& entry : entries) {
    EXPECT_LE(entry.size(), 5U);
    const std::string parent = entry.substr(0, std::max<size_t>(1, entry.size() - 1));
    EXPECT_TRUE(all.contains(parent)) << entry;
  }
}

TEST(LzwTrainer, EncodesByLongestMatchAndLosesNoByte) {
  test::TemporaryFolder folder;
  Random random(3);
  std::string text;
  for (int i = 0; i < 400; ++i) text += random_text(random, random.below(50), 4) + "\n\xD0\xB6";
  TrainingRequest request;
  request.vocab_size = 700;
  request.specials = {"<s>"};
  const auto made = train({}, {folder.write("t", text)}, request);
  EXPECT_EQ(made.tokens, 700);
  const auto tokenizer = parse_tokenizer_json(made.json, "test");
  EXPECT_EQ(tokenizer->vocabulary().find("<s>"), 1);
  std::map<std::string, TokenId> ids;
  size_t longest = 0;
  for (TokenId id = 2; id < 700; ++id) {
    const std::string bytes(tokenizer->vocabulary().bytes(id));
    ids[bytes] = id;
    longest = std::max(longest, bytes.size());
  }
  for (int round = 0; round < 200; ++round) {
    std::string tried = text.substr(random.below(text.size()), random.below(100));
    for (size_t i = 0; i < tried.size(); i += 9) tried[i] = static_cast<char>(random.below(256));
    std::vector<TokenId> wanted;
    for (size_t at = 0; at < tried.size();) {
      size_t length = longest;
      while (!ids.contains(tried.substr(at, length))) --length;
      wanted.push_back(ids.at(tried.substr(at, length)));
      at += std::min(length, tried.size() - at);
    }
    const Encoding encoding = tokenizer->encode(tried);
    EXPECT_EQ(encoding.ids, wanted);
    EXPECT_EQ(tokenizer->decode(encoding.ids), tried);
  }
  // A word of any length is cut.
  const std::string long_text(100000, 'a');
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(long_text).ids), long_text);
}

TEST(LzwTrainer, NoTokenReachesOutOfAWord) {
  test::TemporaryFolder folder;
  TrainingRequest request;
  request.vocab_size = 400;
  request.pre_tokenizer = "gpt2";
  std::string text;
  for (int i = 0; i < 300; ++i) text += "one two three four\n";
  const auto made = train({}, {folder.write("t", text)}, request);
  const auto tokenizer = parse_tokenizer_json(made.json, "test");
  for (TokenId id = 257; id < made.tokens; ++id) {
    EXPECT_EQ(tokenizer->vocabulary().bytes(id).find(' ', 1), std::string_view::npos);
  }
  EXPECT_EQ(tokenizer->encode("one two").ids.size(), 2U);
  request.pre_tokenizer = "whitespace";
  EXPECT_THROW(train({}, {folder / "t"}, request), Error);
}

}  // namespace
}  // namespace tessera
