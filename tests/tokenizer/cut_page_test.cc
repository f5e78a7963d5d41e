#include "tessera/tokenizer/cut_page.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

// What a reader sees of the paragraphs.
std::string seen(const std::string& page) {
  std::string out;
  for (size_t at = page.find("<p>"); at != std::string::npos; at = page.find("<p>", at)) {
    const size_t end = page.find("</p>", at);
    for (bool tag = false; at < end; ++at) {
      if (page[at] == '<') tag = true;
      if (!tag) out += page[at];
      if (page[at] == '>') tag = false;
    }
    out += '|';
  }
  return out;
}

TEST(CutPage, ShowsEveryByteOfTheTextOnceForEachTokenizer) {
  const auto tokenizer = read_tokenizer_json("examples/c/tokenizer.json");
  const NamedTokenizer both[] = {{"a<b", tokenizer}, {"b", tokenizer}};
  const std::string texts[] = {"hello worlds", "x \xFF<y> & \x01"};
  const std::string page = cut_page(both, texts);
  EXPECT_EQ(seen(page),
            "hello worlds|hello worlds|x \\xff&lt;y> &amp; \\x01|x \\xff&lt;y> &amp; \\x01|");
  EXPECT_NE(page.find("<i title=\"3\">hello</i>"), std::string::npos);
  EXPECT_EQ(page.find("a<b"), std::string::npos);
}

}  // namespace
}  // namespace tessera
