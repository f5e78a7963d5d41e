#include <random>

#include <gtest/gtest.h>

#include "tessera/base/hash.h"

namespace tessera {
namespace {

// Oracle: numbers that the xxHash project publishes.
TEST(Hash64, GivesTheNumbersOfItsSpecification) {
  EXPECT_EQ(hash_of(""), 0xEF46DB3751D8E999U);
  EXPECT_EQ(hash_of("a"), 0xD24EC4F1A98C6E5BU);
  EXPECT_EQ(hash_of("abc"), 0x44BC2CF5AD770999U);
  EXPECT_EQ(hash_of("Nobody inspects the spammish repetition"), 0xFBCEA83C8A378BF1U);
  EXPECT_EQ(hash_text(hash_of("abc")), "xxh64:44bc2cf5ad770999");
}

// Oracle: the same bytes in one part.
TEST(Hash64, DoesNotDependOnHowTheBytesCome) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::string bytes(random() % 300, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    Hash64 hash(7);
    for (size_t at = 0; at < bytes.size();) {
      const size_t n = std::min<size_t>(bytes.size() - at, random() % 50);
      hash.add(std::string_view(bytes).substr(at, n));
      at += n;
    }
    EXPECT_EQ(hash.value(), hash_of(bytes, 7)) << round;
  }
}

}  // namespace
}  // namespace tessera
