// Oracles: counts and scores by hand.
#include "tessera/tokenizer/terms.h"

#include <gtest/gtest.h>

#include "tessera/base/guest.h"
#include "tessera/tokenizer/train/trainer.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

TEST(Terms, CostWhatTheirTokensAre) {
  test::TemporaryFolder folder;
  TrainingTexts texts({folder.write("t", "re re re\n")}, {});
  TrainingRequest request;
  request.vocab_size = 256 + 2;  // "re" and " re"
  const auto t = parse_tokenizer_json(make_guest<Trainer>("bpe")->train(texts, request).json, "t");
  const TermCost known = term_cost(*t, "re"), other = term_cost(*t, "xy");
  EXPECT_EQ(known.bare, 1);
  EXPECT_EQ(known.behind_space, 1);
  EXPECT_EQ(other.bare, 2);
  EXPECT_EQ(other.behind_space, 3);
  EXPECT_EQ(known_terms("legal").size(), 10U);
  EXPECT_EQ(known_terms("financial").size(), 10U);
  EXPECT_TRUE(known_terms("medical").empty());
}

TEST(WordPairs, ThatAreEverywhereTellNothing) {
  WordPairs pairs;
  for (int line = 0; line < 300; ++line) {
    // The first is in all three documents, the second in one of them.
    std::string text = "with some of it; ";
    if (line >= 100 && line < 130) text += "free software, ";
    if (line == 5 || line == 250)
      text +=
          "an owl's cr\xC3\xA9"
          "dit note";
    pairs.add(text + "\n");
  }
  const auto top = pairs.top(10);
  ASSERT_EQ(top.size(), 3U);
  EXPECT_EQ(top[0], "free software");  // 30 log 3
  EXPECT_EQ(top[1],
            "cr\xC3\xA9"
            "dit note");           // 2 log 1.5
  EXPECT_EQ(top[2], "with some");  // 300 log 1
  EXPECT_EQ(pairs.top(1).size(), 1U);
}

}  // namespace
}  // namespace tessera
