#include "tessera/tokenizer/charsmap.h"

#include <cstring>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/tokenizer/charsmap_bytes.h"

namespace tessera {
namespace {

using fixtures::charsmap_bytes;

// Oracle: the strings of the map, looked at one after another.
TEST(Charsmap, FindsTheLongestAndTheShortestString) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::map<std::string, std::string> strings;
    for (int i = 0; i < 10; ++i) {
      std::string key, to;
      for (size_t n = 1 + random() % 3; n > 0; --n) key += "ab\xC3"[random() % 3];
      for (size_t n = random() % 3; n > 0; --n) to += "xyz"[random() % 3];
      strings[key] = to;
    }
    const Charsmap map(charsmap_bytes(strings), "test");
    for (int t = 0; t < 50; ++t) {
      std::string text;
      for (size_t n = random() % 6; n > 0; --n) text += "ab\xC3"[random() % 3];
      size_t least = 0, most = 0;
      for (const auto& [key, to] : strings) {
        if (!text.starts_with(key)) continue;
        most = std::max(most, key.size());
        least = least == 0 ? key.size() : std::min(least, key.size());
      }
      EXPECT_EQ(map.longest(text).length, most);
      EXPECT_EQ(map.shortest(text).length, least);
      if (most == 0) continue;
      EXPECT_EQ(map.longest(text).replacement, strings[text.substr(0, most)]);
    }
  }
}

std::string fault_of(const std::string& bytes) {
  try {
    Charsmap(bytes, "m.model");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Charsmap, RefusesDamageByItsByte) {
  const std::string good = charsmap_bytes({{"a", "x"}, {"ab", "y"}});
  EXPECT_EQ(fault_of(good), "");
  EXPECT_NE(fault_of("").find("m.model: byte 0"), std::string::npos);
  EXPECT_NE(fault_of(good.substr(0, 3)).find("too short"), std::string::npos);
  EXPECT_NE(fault_of(good.substr(0, 40)).find("bytes of the"), std::string::npos);
  EXPECT_NE(fault_of(good + "z").find("has no end"), std::string::npos);
  std::string huge = good;
  std::memset(huge.data(), 0xFF, 4);
  EXPECT_NE(fault_of(huge).find("4294967295"), std::string::npos);
}

TEST(Charsmap, RefusesACyclicMap) {
  // The root's child for 'a' has the root's children as its own.
  std::vector<uint32_t> units(512);
  units[0] = 256 << 10;
  const uint32_t child = 256 ^ 'a';
  units[child] = (child ^ 256) << 10 | 'a';
  const auto size = static_cast<uint32_t>(4 * units.size());
  std::string bytes(reinterpret_cast<const char*>(&size), 4);
  bytes.append(reinterpret_cast<const char*>(units.data()), size);
  bytes += '\0';
  EXPECT_NE(fault_of(bytes).find("it is cyclic"), std::string::npos);
}

TEST(Charsmap, EveryDamagedByteIsRefusedOrRead) {
  const std::string good = charsmap_bytes({{"a", "x"}, {"ab", "y"}, {"\xC3\xA9", ""}});
  for (size_t n = 0; n < good.size(); ++n) {
    for (const int value : {0, 1, 97, 128, 255}) {
      std::string damaged = good;
      damaged[n] = static_cast<char>(value);
      if (!fault_of(damaged).empty()) continue;
      const Charsmap map(damaged, "test");
      for (const char* text : {"a", "ab", "\xC3\xA9", "\xFF", ""}) map.longest(text);
    }
  }
}

}  // namespace
}  // namespace tessera
