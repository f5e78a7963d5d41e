#include "tessera/tokenizer/train/superbpe_trainer.h"

#include <algorithm>
#include <map>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/base/random.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tests/base/guest_laws.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

std::string phrases() {
  Random random(8);
  const std::vector<std::string> words = {
      "in", "the", "house", "of", "a", "cat", "\xC3\xA9t\xC3\xA9", "1995", "it's", "well,"};
  std::string out;
  for (int i = 0; i < 8000; ++i) {
    out += words[random.below(1 + random.below(words.size()))] + (i % 17 == 0 ? "\n" : " ");
  }
  return out;
}

TrainedTokenizer train(const std::string& spec, const std::string& file, int64_t size,
                       const std::string& pre_tokenizer = "", int64_t threads = 1) {
  TrainingTexts texts({file}, {});
  TrainingRequest request;
  request.vocab_size = size;
  request.threads = threads;
  request.pre_tokenizer = pre_tokenizer;
  request.specials = {"<s>"};
  return make_guest<Trainer>(spec)->train(texts, request);
}

Json model_of(const TrainedTokenizer& made) { return Json::parse(made.json)["model"]; }

TEST(SuperbpeTrainer, WithoutWordsIsBpeOverWholeTexts) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", phrases());
  EXPECT_EQ(train("superbpe:words=0", file, 400).json, train("bpe", file, 400, "bytes").json);
}

TEST(SuperbpeTrainer, WithoutPhrasesHasTheMergesOfBpeInWords) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", phrases());
  EXPECT_EQ(model_of(train("superbpe:words=1", file, 280)), model_of(train("bpe", file, 280)));
}

TEST(SuperbpeTrainer, WordsComeFirstAndPhrasesThen) {
  test::TemporaryFolder folder;
  const std::string text = phrases(), file = folder.write("t", text);
  const TrainedTokenizer made = train("superbpe:words=0.7", file, 400);
  const Json merges = model_of(made)["merges"], words = model_of(train("bpe", file, 280))["merges"];
  ASSERT_EQ(made.tokens, 400);
  ASSERT_GT(merges.size(), words.size());
  EXPECT_EQ(Json(merges.begin(), merges.begin() + static_cast<ptrdiff_t>(words.size())), words);
  EXPECT_EQ(train("superbpe:words=0.7", file, 400, "", 2).json, made.json);

  const auto tokenizer = parse_tokenizer_json(made.json, "test");
  const auto plain = parse_tokenizer_json(train("bpe", file, 400).json, "test");
  const Encoding encoding = tokenizer->encode(text);
  EXPECT_EQ(tokenizer->decode(encoding.ids), text);
  EXPECT_LT(encoding.ids.size(), plain->encode(text).ids.size() * 2 / 3);
}

// Oracle: after the words' merges the most frequent pair of neighbours in all lines, recounted.
TEST(SuperbpeTrainer, ThePhrasesAreTheMostFrequentPairs) {
  test::TemporaryFolder folder;
  const std::string text = phrases(), file = folder.write("t", text);
  const int64_t words = 300;
  for (int64_t size = words; size < words + 6; ++size) {
    const std::string share =
        std::to_string(static_cast<double>(words) / static_cast<double>(size));
    const TrainedTokenizer before = train("superbpe:words=" + share, file, size);
    const std::string next =
        std::to_string(static_cast<double>(words) / static_cast<double>(size + 1));
    const Json merge = model_of(train("superbpe:words=" + next, file, size + 1))["merges"].back();
    const auto tokenizer = parse_tokenizer_json(before.json, "test");
    std::map<std::pair<TokenId, TokenId>, int64_t> pairs;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
      const std::vector<TokenId> ids =
          tokenizer->encode(std::string_view(text).substr(begin, end - begin)).ids;
      for (size_t i = 1; i < ids.size(); ++i) ++pairs[{ids[i - 1], ids[i]}];
      begin = end;
    }
    const auto most =
        std::max_element(pairs.begin(), pairs.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    const auto piece = [&](TokenId id) { return std::string(tokenizer->vocabulary().piece(id)); };
    EXPECT_EQ(merge, Json({piece(most->first.first), piece(most->first.second)})) << size;
  }
}

TEST(SuperbpeTrainer, MostWordsBoundsWhatATokenHolds) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", phrases());
  const auto longest = [&](const std::string& spec) {
    int64_t most = 0;
    const auto tokenizer = parse_tokenizer_json(train(spec, file, 500).json, "test");
    for (TokenId id = 0; id < tokenizer->vocabulary().size(); ++id) {
      std::istringstream words{std::string(tokenizer->vocabulary().bytes(id))};
      int64_t n = 0;
      for (std::string word; words >> word;) ++n;
      most = std::max(most, n);
    }
    return most;
  };
  EXPECT_GT(longest("superbpe:words=0.6"), 2);
  EXPECT_EQ(longest("superbpe:words=0.6,most-words=2"), 2);
}

TEST(SuperbpeTrainer, RefusesWhatItsTextsAreNotReadBy) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", phrases());
  EXPECT_THROW(train("superbpe", file, 400, "whitespace"), Error);
  EXPECT_THROW(train("superbpe", file, 200), Error);
}

}  // namespace
}  // namespace tessera
