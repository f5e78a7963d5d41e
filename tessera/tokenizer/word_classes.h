// What the patterns of byte-level vocabularies tell apart about characters: a byte of bits for
// each.
#pragma once

#include <cstdint>
#include <vector>

#include "tessera/kernels/text_masks.h"

namespace tessera {

enum WordClass : uint8_t {
  kLetter = 1,
  kNumber = 2,
  kWhite = 4,
  kUpper = 8,   // letters that o200k takes for upper case only
  kLower = 16,  // and for lower case only
  kMark = 32,
  kLoose = 64,  // form C might change it, or join it to a neighbour
};

class WordClasses {
 public:
  static const WordClasses& instance();

  // The bits of a character, or of the unit that stands for an invalid byte.
  uint8_t operator[](char32_t c) const { return pages_[page_of_[c / kPage] * kPage + c % kPage]; }

  // Leads of UTF-8 of which every character has just the bits `wanted` of `asked`, and is not
  // loose.
  LeadSet leads(uint8_t asked, uint8_t wanted) const { return leads(asked, wanted, 0x80); }
  // The same of characters of three bytes whose second one is 0xB8 or more.
  LeadSet leads_by_second(uint8_t asked, uint8_t wanted) const {
    return leads(asked, wanted, 0xB8);
  }

 private:
  static constexpr char32_t kPage = 128;

  WordClasses();
  LeadSet leads(uint8_t asked, uint8_t wanted, unsigned least_second) const;

  std::vector<uint16_t> page_of_;  // equal pages are stored once
  std::vector<uint8_t> pages_;
};

}  // namespace tessera
