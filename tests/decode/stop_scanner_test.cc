#include "tessera/decode/stop_scanner.h"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "tessera/base/random.h"

namespace tessera {
namespace {

// Oracle: search in the whole text. Texts over two letters, so that near misses are frequent.
TEST(StopScanner, FindsWhatASearchInTheWholeTextFinds) {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    auto word = [&](uint64_t least, uint64_t most) {
      std::string out;
      for (uint64_t n = least + random.below(most - least + 1); n > 0; --n) {
        out += random.below(2) ? 'a' : 'b';
      }
      return out;
    };
    std::vector<std::string> stops;
    for (uint64_t n = 1 + random.below(3); n > 0; --n) stops.push_back(word(2, 6));
    std::string text = word(0, 40);
    std::pair<size_t, size_t> first{std::string::npos, std::string::npos};  // its end, its begin
    for (const auto& stop : stops) {
      size_t at = text.find(stop);
      if (at != std::string::npos) first = std::min(first, {at + stop.size(), at});
    }
    size_t end = first.second;

    StopScanner scanner(stops);
    std::string out;
    for (size_t i = 0; i < text.size() && !scanner.stopped();) {
      size_t n = 1 + random.below(4);
      out += scanner.push(std::string_view(text).substr(i, n));
      i += n;
      // Nothing that may still become a stop string has been given out.
      EXPECT_LE(out.size(), end);
    }
    EXPECT_EQ(scanner.stopped(), end != std::string::npos);
    out += scanner.finish();
    EXPECT_EQ(out, text.substr(0, end));
  }
}

TEST(StopScanner, EmptyStopStringsAreIgnored) {
  StopScanner scanner({"", "x"});
  EXPECT_EQ(scanner.push("abc"), "abc");
  EXPECT_FALSE(scanner.stopped());
}

}  // namespace
}  // namespace tessera
