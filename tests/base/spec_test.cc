#include "tessera/base/spec.h"

#include <gtest/gtest.h>

#include "tessera/base/error.h"

namespace tessera {
namespace {

struct Options {
  int64_t k = 8;
  double share = 0.5;
  bool exact = false;
  std::string schema;
  std::string mode = "fast";
};

template <class V>
void fields(V& v, Options& o) {
  v("k", o.k, "kept", between(1, 100));
  v("share", o.share, "part", between(0, 1));
  v("exact", o.exact, "no shortcut");
  v("schema", o.schema, "file");
  v("mode", o.mode, "how", {"fast", "slow"});
}

std::string message(const std::string& text) {
  try {
    read_options<Options>(Spec::parse(text));
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Spec, ReadsKeysInAnyOrder) {
  Options o = read_options<Options>(Spec::parse("x:share=0.25,exact=on,k=3,mode=slow"));
  EXPECT_EQ(o.k, 3);
  EXPECT_EQ(o.share, 0.25);
  EXPECT_TRUE(o.exact);
  EXPECT_EQ(o.mode, "slow");
}

TEST(Spec, QuotedValuesMayHoldCommasAndQuotes) {
  Options o = read_options<Options>(Spec::parse(R"(x:schema="a,\"b\\",k=2)"));
  EXPECT_EQ(o.schema, R"(a,"b\)");
  EXPECT_EQ(o.k, 2);
}

TEST(Spec, CanonicalTextReadsBackToTheSameOptions) {
  for (const char* text : {"x", "x:k=3", R"(x:schema="a,b",exact=on)", "x:mode=slow,share=0.125"}) {
    Options once = read_options<Options>(Spec::parse(text));
    std::string printed = canonical("x", once);
    EXPECT_EQ(canonical("x", read_options<Options>(Spec::parse(printed))), printed) << text;
  }
  EXPECT_EQ(canonical("x", Options{}), "x");
  EXPECT_EQ(canonical("x", read_options<Options>(Spec::parse("x:mode=slow,k=9"))),
            "x:k=9,mode=slow");
}

TEST(Spec, FaultsAreNamed) {
  EXPECT_NE(message("x:kk=3").find("Did you mean k?"), std::string::npos);
  EXPECT_NE(message("x:k=0").find("1 to 100"), std::string::npos);
  EXPECT_NE(message("x:k=3.5").find("whole number"), std::string::npos);
  EXPECT_NE(message("x:share=nan").find("0 to 1"), std::string::npos);
  EXPECT_NE(message("x:exact=yes").find("on or off"), std::string::npos);
  EXPECT_NE(message("x:mode=medium").find("fast, slow"), std::string::npos);
  EXPECT_NE(message("x:k=3,k=4").find("twice"), std::string::npos);
  EXPECT_NE(message("x:k").find("column 4"), std::string::npos);
  EXPECT_NE(message(":k=1").find("column 1"), std::string::npos);
  EXPECT_NE(message("x:schema=\"a").find("quote"), std::string::npos);
  EXPECT_NE(message("x:k=1,").find("column 7"), std::string::npos);
}

}  // namespace
}  // namespace tessera
