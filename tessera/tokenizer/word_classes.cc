#include "tessera/tokenizer/word_classes.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "tessera/text/normalise.h"
#include "tessera/text/unicode.h"

namespace tessera {
namespace {

// Whether form C may give something else for a text because this character is in it.
bool loose(char32_t code) {
  std::string text;
  append_unit(text, code);
  return normalise(text, NormalForm::nfc) != text;
}

}  // namespace

const WordClasses& WordClasses::instance() {
  static const WordClasses table;
  return table;
}

WordClasses::WordClasses() {
  std::vector<uint8_t> all(kCodeEnd);
  const auto add = [&](std::string_view name, uint8_t bit) {
    const auto set = find_code_set(name);
    for (const unicode::Range& r : set->ranges()) {
      for (char32_t c = r.first; c <= r.last && c < kCodeEnd; ++c) all[c] |= bit;
    }
  };
  add("L", kLetter);
  add("N", kNumber);
  add("space", kWhite);
  add("Lu", kUpper);
  add("Lt", kUpper);
  add("Ll", kLower);
  add("M", kMark);
  for (const auto& r : unicode::combining_table()) {
    for (char32_t c = r.first; c <= r.last; ++c) all[c] |= kLoose;
  }
  for (const auto& c : unicode::compositions_table()) all[c.second] |= kLoose;
  for (const auto& m : unicode::canonical_table()) {
    if (loose(m.from)) all[m.from] |= kLoose;
  }
  // Vowels and final consonants of Hangul join to what stands in front.
  for (char32_t c = 0x1161; c <= 0x11C2; ++c) all[c] |= kLoose;
  page_of_.resize((kCodeEnd + kPage - 1) / kPage);
  all.resize(page_of_.size() * kPage);
  std::array<int, 256> uniform{};
  uniform.fill(-1);
  for (size_t p = 0; p < page_of_.size(); ++p) {
    const uint8_t* page = all.data() + p * kPage;
    const bool same = std::all_of(page, page + kPage, [&](uint8_t c) { return c == *page; });
    if (same && uniform[*page] >= 0) {
      page_of_[p] = static_cast<uint16_t>(uniform[*page]);
      continue;
    }
    page_of_[p] = static_cast<uint16_t>(pages_.size() / kPage);
    if (same) uniform[*page] = page_of_[p];
    pages_.insert(pages_.end(), page, page + kPage);
  }
}

LeadSet WordClasses::leads(uint8_t asked, uint8_t wanted, unsigned least_second) const {
  LeadSet out;
  const auto fits = [&](char32_t c) { return ((*this)[c] & (asked | kLoose)) == wanted; };
  for (unsigned lead = 0xC2; lead < 0xF0; ++lead) {
    bool all = true;
    for (unsigned second = least_second; second < 0xC0 && all; ++second) {
      const char32_t front = second & 0x3F;
      if (lead < 0xE0) {
        all = fits((lead & 0x1F) << 6 | front);
        continue;
      }
      for (char32_t third = 0; third < 64 && all; ++third) {
        const char32_t code = static_cast<char32_t>(lead & 0x0F) << 12 | front << 6 | third;
        all = code >= 0x800 && (code < 0xD800 || code > 0xDFFF) && fits(code);
      }
    }
    if (all) out.add(static_cast<unsigned char>(lead));
  }
  return out;
}

}  // namespace tessera
