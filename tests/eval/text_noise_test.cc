// Oracles: rates counted over long texts, distances by hand.
#include "tessera/eval/text_noise.h"

#include <vector>

#include <gtest/gtest.h>

#include "tessera/eval/repro_texts.h"

namespace tessera {
namespace {

TEST(TextNoise, WithoutRatesChangesNothing) {
  Random random(1);
  const std::string text = "Some words, \xFF and ğ 0815.";
  const NoisyText out = with_noise(
      text, {.look_alike = 0, .space_in = 0, .space_lost = 0, .swapped = 0, .keyboard = 0}, random);
  EXPECT_EQ(out.text, text);
  EXPECT_EQ(out.edits, 0);
}

TEST(TextNoise, EachKindOfEditIsMadeAsOftenAsAsked) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "zz zz ";
  Random random(2);
  const NoiseRates none = {
      .look_alike = 0, .space_in = 0, .space_lost = 0, .swapped = 0, .keyboard = 0};
  NoiseRates lost = none;
  lost.space_lost = 0.5;
  const NoisyText a = with_noise(text, lost, random);
  EXPECT_EQ(a.text.size(), text.size() - static_cast<size_t>(a.edits));
  EXPECT_NEAR(static_cast<double>(a.edits), 5000, 300);
  NoiseRates in = none;
  in.space_in = 0.5;
  const NoisyText b = with_noise(text, in, random);
  EXPECT_EQ(b.text.size(), text.size() + static_cast<size_t>(b.edits));
  EXPECT_NEAR(static_cast<double>(b.edits), 5000, 300);
  NoiseRates keys = none;
  keys.keyboard = 1;
  EXPECT_EQ(with_noise("zZ", keys, random).text, "xX");
  NoiseRates swap = none;
  swap.swapped = 1;
  EXPECT_EQ(with_noise("ab c", swap, random).text, "ba c");
  NoiseRates look = none;
  look.look_alike = 1;
  const NoisyText e = with_noise("vv 55", look, random);
  EXPECT_EQ(e.text, "uu SS");
  EXPECT_EQ(e.edits, 4);
}

TEST(TextNoise, TheSameSeedSpoilsTheSameWay) {
  const std::string text(3000, 'e');
  Random a(3), b(3);
  EXPECT_EQ(with_noise(text, {}, a).text, with_noise(text, {}, b).text);
}

TEST(TextNoise, PlacesOfTheCleanTextAreKnown) {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "a corner of the h\xC3\xA9rb ";
  Random random(2);
  const NoisyText same = with_noise(text, {0, 0, 0, 0, 0}, random),
                  noisy = with_noise(text, {}, random);
  ASSERT_EQ(noisy.places.size(), text.size() + 1);
  int64_t before = 0, unchanged = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    const bool inside = i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
    EXPECT_EQ(same.places[i], inside ? -1 : static_cast<int64_t>(i));
    const int64_t place = noisy.places[i];
    if (place < 0) continue;
    EXPECT_GE(place, before);
    before = place;
    unchanged += i < text.size() && noisy.text[static_cast<size_t>(place)] == text[i];
  }
  EXPECT_EQ(noisy.places.back(), static_cast<int64_t>(noisy.text.size()));
  // All but what was put in the place of another character, and the second bytes.
  EXPECT_GE(unchanged, static_cast<int64_t>(text.size()) - 400 - 2 * noisy.edits);
}

TEST(TokenEdits, AreLevenshteins) {
  using Ids = std::vector<TokenId>;
  EXPECT_EQ(edits_between(Ids{}, Ids{1, 2}), 2);
  EXPECT_EQ(edits_between(Ids{1, 2, 3}, Ids{}), 3);
  EXPECT_EQ(edits_between(Ids{1, 2, 3}, Ids{1, 3}), 1);
  EXPECT_EQ(edits_between(Ids{1, 2, 3, 4}, Ids{1, 5, 3, 4, 6}), 2);
  EXPECT_EQ(edits_between(Ids{7, 7}, Ids{7, 7}), 0);
}

TEST(NoiseStability, CountsEditsOfBothKinds) {
  const ReproLines file(std::vector<std::string>{"the cat and the hat"});
  const auto bytes = trained_for_repro(file, {}, "bpe", 256, "bytes");
  const auto pairs = trained_for_repro(file, {}, "bpe", 262, "bytes");
  NoiseStability a, b;
  EXPECT_EQ(a.rate(), 0);
  EXPECT_EQ(a.growth(), 0);
  for (int i = 0; i < 60; ++i) {
    a.add(*bytes, "the cat and the hat, the cat and the hat");
    b.add(*pairs, "the cat and the hat, the cat and the hat");
  }
  EXPECT_GT(a.character_edits, 20);
  EXPECT_EQ(a.character_edits, b.character_edits);
  // Of single bytes an edit changes one or two.
  EXPECT_GE(a.rate(), 1);
  EXPECT_LE(a.rate(), 2);
  EXPECT_GT(b.rate(), a.rate());
  // Single bytes are cut everywhere, whatever noise does; pairs at most places.
  EXPECT_EQ(a.kept(), 1);
  EXPECT_GT(b.kept(), 0.9);
  EXPECT_LE(b.kept(), 1);
}

}  // namespace
}  // namespace tessera
