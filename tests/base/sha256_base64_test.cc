#include <random>

#include <gtest/gtest.h>

#include "tessera/base/base64.h"
#include "tessera/base/sha256.h"

namespace tessera {
namespace {

// Oracle: the examples of FIPS 180-4 and of NIST's test vectors.
TEST(Sha256, GivesTheStandardsDigests) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// Oracle: the same bytes in one piece.
TEST(Sha256, DoesNotDependOnHowTheBytesAreCut) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string bytes;
    for (size_t n = random() % 300; n > 0; --n) bytes += static_cast<char>(random());
    Sha256 hash;
    for (size_t at = 0; at < bytes.size();) {
      const size_t n = random() % 100;
      hash.update(std::string_view(bytes).substr(at, n));
      at += n;
    }
    EXPECT_EQ(hash.hex(), sha256(bytes));
  }
}

// Oracle: RFC 4648, section 10.
TEST(Base64, DecodesTheStandardsExamples) {
  const std::pair<const char*, const char*> rows[] = {
      {"", ""},        {"Zg==", "f"},        {"Zm8=", "fo"},
      {"Zm9v", "foo"}, {"Zm9vYg==", "foob"}, {"+/8=", "\xFB\xFF"}};
  for (const auto& [text, bytes] : rows) {
    SCOPED_TRACE(text);
    std::string out;
    EXPECT_TRUE(decode_base64(text, out));
    EXPECT_EQ(out, bytes);
  }
}

TEST(Base64, RefusesWhatIsNone) {
  for (const char* text : {"Z", "Zg=", "Zg", "Z===", "Zm9v=", "=m9v", "Zm 9", "Zm-_", "Zg==Zg=="}) {
    SCOPED_TRACE(text);
    std::string out;
    EXPECT_FALSE(decode_base64(text, out));
  }
}

}  // namespace
}  // namespace tessera
