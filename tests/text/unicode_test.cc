#include "tessera/text/unicode.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tessera/text/normalise.h"
#include "tessera/text/utf8.h"

namespace tessera {
namespace {

// Oracle: writing the units of any bytes gives the bytes back.
TEST(Utf8, UnitsOfAnyBytesAreTheBytes) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string text, again;
    for (unsigned n = random() % 300; n > 0; --n) {
      if (random() % 3 == 0) {
        text += static_cast<char>(random());
      } else {
        append_unit(text, static_cast<char32_t>(random() % kInvalidByte));
      }
    }
    for (size_t i = 0; i < text.size();) {
      Unit u = unit_at(text, i);
      append_unit(again, u.code);
      i += u.length;
    }
    EXPECT_EQ(again, text);
  }
}

TEST(Utf8, RefusesOverlongFormsSurrogatesAndCodesBeyondTheLast) {
  for (const char* bad : {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF8"}) {
    EXPECT_GE(unit_at(bad, 0).code, kInvalidByte) << bad;
    EXPECT_EQ(unit_at(bad, 0).length, 1U);
  }
}

// Oracle: the tail is incomplete iff some bytes appended make one valid character of it.
TEST(Utf8, IncompleteTailIsWhatMoreBytesCanComplete) {
  for (char32_t code :
       {0x7FU, 0x80U, 0x7FFU, 0x800U, 0xD7FFU, 0xE000U, 0xFFFFU, 0x10000U, 0x10FFFFU}) {
    std::string whole;
    append_unit(whole, code);
    for (size_t cut = 0; cut <= whole.size(); ++cut) {
      size_t expected = cut == whole.size() ? 0 : cut;
      EXPECT_EQ(incomplete_tail("x" + whole.substr(0, cut)), expected)
          << static_cast<uint32_t>(code);
    }
  }
  EXPECT_EQ(incomplete_tail("\xED\xA0"), 0U);
  EXPECT_EQ(incomplete_tail("\xC0"), 0U);
  EXPECT_EQ(incomplete_tail("\x80\x80"), 0U);
}

// Oracle: a plain bit for every unit.
TEST(CodeSet, AgreesWithPlainBits) {
  std::mt19937 random(3);
  for (int round = 0; round < 30; ++round) {
    SCOPED_TRACE(round);
    std::vector<unicode::Range> ranges;
    std::vector<bool> bits(kCodeEnd);
    for (int i = 0; i < 20; ++i) {
      auto first = static_cast<char32_t>(random() % kCodeEnd);
      auto last = std::min(kCodeEnd - 1, first + static_cast<char32_t>(random() % 5000));
      ranges.push_back({first, last});
      std::fill(bits.begin() + first, bits.begin() + last + 1, true);
    }
    CodeSet set(ranges), other = ~set;
    CodeBitmap map(set);
    for (char32_t c = 0; c < kCodeEnd; c += 7) {
      ASSERT_EQ(set.contains(c), bits[c]);
      ASSERT_EQ(map[c], bits[c]);
      ASSERT_EQ(other.contains(c), !bits[c]);
    }
    EXPECT_EQ(~other, set);
    EXPECT_TRUE((set & other).ranges().empty());
  }
}

// Examples of the Unicode Standard Annex 15, figures 3 to 6.
TEST(Normalise, GivesTheFormsOfTheStandardsExamples) {
  EXPECT_EQ(normalise("\xE2\x84\xAB", NormalForm::nfc), "\xC3\x85");
  EXPECT_EQ(normalise("\xE2\x84\xAB", NormalForm::nfd), "A\xCC\x8A");
  EXPECT_EQ(normalise("\xEF\xAC\x81", NormalForm::nfkc), "fi");
  EXPECT_EQ(normalise("\xEF\xAC\x81", NormalForm::nfc), "\xEF\xAC\x81");
  EXPECT_EQ(normalise("\xE1\xBA\x9B\xCC\xA3", NormalForm::nfkc), "\xE1\xB9\xA9");
  EXPECT_EQ(normalise("\xE1\xBA\x9B\xCC\xA3", NormalForm::nfkd), "s\xCC\xA3\xCC\x87");
  EXPECT_EQ(normalise("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", NormalForm::nfc), "\xED\x95\x9C");
  EXPECT_EQ(normalise("\xED\x95\x9C", NormalForm::nfd), "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB");
}

std::string random_marks(std::mt19937& random) {
  static constexpr char32_t kInteresting[] = {
      'a',    'e',    0xE9,   0x301,  0x323, 0x307, 0x345, 0x1112, 0x1161, 0x11AB,
      0xAC00, 0x1E9B, 0xFB01, 0x212B, 0x93C, 0x958, 0x3B1, 0x3099, 0x304B, kInvalidByte + 0xFF};
  std::string text;
  for (unsigned n = 1 + random() % 12; n > 0; --n) {
    append_unit(text, kInteresting[random() % std::size(kInteresting)]);
  }
  return text;
}

// Laws of the standard: forms are idempotent, and each is fixed by what comes before it.
TEST(Normalise, FormsAreIdempotentAndAgreeWithEachOther) {
  for (unsigned seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string text = random_marks(random);
    std::string nfc = normalise(text, NormalForm::nfc), nfd = normalise(text, NormalForm::nfd);
    EXPECT_EQ(normalise(nfc, NormalForm::nfc), nfc);
    EXPECT_EQ(normalise(nfd, NormalForm::nfd), nfd);
    EXPECT_EQ(normalise(nfd, NormalForm::nfc), nfc);
    EXPECT_EQ(normalise(nfc, NormalForm::nfd), nfd);
    EXPECT_EQ(normalise(normalise(text, NormalForm::nfkd), NormalForm::nfkc),
              normalise(text, NormalForm::nfkc));
  }
}

// Law: the origins of the bytes cover the original without holes, whatever was joined.
TEST(Normalise, OriginsCoverTheOriginalInOrder) {
  for (unsigned seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string text = random_marks(random);
    for (NormalForm form : {NormalForm::nfc, NormalForm::nfd, NormalForm::nfkc, NormalForm::nfkd}) {
      AlignedText out = lower_case(normalise(AlignedText(text), form));
      std::vector<bool> covered(text.size());
      for (size_t i = 0; i < out.text().size(); ++i) {
        ASSERT_LT(out.begin_of(i), out.end_of(i));
        ASSERT_LE(out.end_of(i), static_cast<int64_t>(text.size()));
        if (i > 0) {
          ASSERT_LE(out.begin_of(i - 1), out.begin_of(i));
          ASSERT_LE(out.end_of(i - 1), out.end_of(i));
        }
        std::fill(covered.begin() + out.begin_of(i), covered.begin() + out.end_of(i), true);
      }
      EXPECT_EQ(std::count(covered.begin(), covered.end(), false), 0);
    }
  }
}

}  // namespace
}  // namespace tessera
