#include "tessera/tokenizer/train/training_texts.h"

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

// Every text and how often it was given out.
std::map<std::string, int> texts_of(const std::vector<std::string>& sources,
                                    const std::vector<double>& rates, int64_t threads) {
  std::map<std::string, int> out;
  std::mutex mutex;
  TrainingTexts texts(sources, {.rates = rates});
  int64_t bytes = 0;
  texts.read(threads, {}, [&](const TextBlock& block, size_t) {
    const std::lock_guard lock(mutex);
    block.each_text([&](std::string_view text) {
      ++out[std::string(text)];
      bytes += static_cast<int64_t>(text.size());
    });
  });
  EXPECT_EQ(texts.bytes_read(), bytes);
  return out;
}

std::string lines(int from, int to) {
  std::string out;
  for (int i = from; i < to; ++i) out.append("line ").append(std::to_string(i)).append("\n");
  return out;
}

TEST(TrainingTexts, ARateBelowOneTakesThatShareWhateverTheOrder) {
  test::TemporaryFolder folder;
  const std::string one = folder.write("one", lines(0, 6000)),
                    two = folder.write("two", lines(6000, 10000));
  const std::string all = folder.write("all", lines(0, 10000));
  const auto taken = texts_of({all}, {0.3}, 1);
  EXPECT_NEAR(static_cast<double>(taken.size()), 3000, 200);
  for (const auto& [text, count] : taken) EXPECT_EQ(count, 1);
  EXPECT_EQ(texts_of({two, one}, {0.3, 0.3}, 2), taken);
  // A source of its own rate, beside one that is read whole.
  EXPECT_EQ(texts_of({one, two}, {1, 0.001}, 1).size(), 6000 + texts_of({two}, {0.001}, 1).size());
}

TEST(TrainingTexts, ARateAboveOneRepeats) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("t", lines(0, 4000) + "without an end");
  int thrice = 0;
  for (const auto& [text, count] : texts_of({file}, {2.5}, 1)) {
    EXPECT_TRUE(count == 2 || count == 3) << text << ' ' << count;
    thrice += count == 3 ? 1 : 0;
  }
  EXPECT_NEAR(thrice, 2000, 200);
  EXPECT_EQ(texts_of({file}, {3}, 1), texts_of({file, file, file}, {}, 1));
}

}  // namespace
}  // namespace tessera
