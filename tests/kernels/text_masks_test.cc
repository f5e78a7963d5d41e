// The text kernels of every level against one byte at a time.
#include "tessera/kernels/text_masks.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/kernels/kernels.h"

namespace tessera {
namespace {

std::vector<unsigned char> random_bytes(size_t size, unsigned most) {
  std::mt19937 rng(1);
  std::vector<unsigned char> out(size);
  for (auto& byte : out) byte = static_cast<unsigned char>(rng() % most);
  return out;
}

TEST(TextMasks, SayWhatEachByteIs) {
  constexpr size_t kBlocks = 64;
  const auto text = random_bytes(64 * kBlocks, 256);
  LeadSet first, second;
  first.add(0xD0);
  first.add(0xE5);
  second.add(0xFF);
  second.add(0xC0);
  for (const Kernels* level : available_kernels()) {
    SCOPED_TRACE(level->name);
    std::vector<AsciiMasks> ascii(kBlocks);
    std::vector<WideMasks> wide(kBlocks);
    level->ascii_masks(text.data(), kBlocks, ascii.data());
    level->wide_masks(text.data(), kBlocks, first, second, wide.data());
    for (size_t i = 0; i < text.size(); ++i) {
      const unsigned c = text[i];
      const auto is = [&](uint64_t mask) { return (mask >> (i % 64) & 1) != 0; };
      const AsciiMasks& a = ascii[i / 64];
      const WideMasks& w = wide[i / 64];
      ASSERT_EQ(is(a.lower), c >= 'a' && c <= 'z') << c;
      ASSERT_EQ(is(a.upper), c >= 'A' && c <= 'Z') << c;
      ASSERT_EQ(is(a.digit), c >= '0' && c <= '9') << c;
      ASSERT_EQ(is(a.newline), c == '\n' || c == '\r') << c;
      ASSERT_EQ(is(a.white), c == ' ' || (c >= 9 && c <= 13)) << c;
      ASSERT_EQ(is(a.space), c == ' ') << c;
      ASSERT_EQ(is(a.apostrophe), c == '\'') << c;
      ASSERT_EQ(is(a.slash), c == '/') << c;
      ASSERT_EQ(is(a.tab), c == '\t') << c;
      ASSERT_EQ(is(a.visible), c > 0x20 && c < 0x7F) << c;
      ASSERT_EQ(is(a.high), c >= 0x80) << c;
      ASSERT_EQ(is(w.two), c >= 0xC2 && c < 0xE0) << c;
      ASSERT_EQ(is(w.three), c >= 0xE0 && c < 0xF0) << c;
      ASSERT_EQ(is(w.four), c >= 0xF0 && c < 0xF5) << c;
      ASSERT_EQ(is(w.tail), c >= 0x80 && c < 0xC0) << c;
      ASSERT_EQ(is(w.upper_tail), c >= 0xB8 && c < 0xC0) << c;
      ASSERT_EQ(is(w.in_first), c == 0xD0 || c == 0xE5) << c;
      ASSERT_EQ(is(w.in_second), c == 0xFF || c == 0xC0) << c;
    }
  }
}

TEST(TextMasks, FindPairsOfAsciiThatShareAGroup) {
  constexpr size_t kBlocks = 64;
  const auto text = random_bytes(64 * kBlocks + 1, 128);
  PairGroups groups;
  std::mt19937 rng(2);
  for (size_t c = 0; c < 128; ++c) {
    groups.front[rng() % 2][c] = static_cast<uint8_t>(1 << rng() % 8);
    for (auto& behind : groups.behind) behind[c] = static_cast<uint8_t>(rng() & rng());
  }
  for (const Kernels* level : available_kernels()) {
    SCOPED_TRACE(level->name);
    std::vector<uint64_t> pairs(kBlocks);
    level->pair_masks(text.data() + 1, kBlocks, groups, pairs.data());
    for (size_t i = 1; i < text.size(); ++i) {
      bool meets = false;
      for (size_t g = 0; g < 2; ++g) {
        meets = meets || (groups.front[g][text[i - 1]] & groups.behind[g][text[i]]) != 0;
      }
      ASSERT_EQ((pairs[(i - 1) / 64] >> ((i - 1) % 64) & 1) != 0, meets) << i;
    }
  }
}

}  // namespace
}  // namespace tessera
