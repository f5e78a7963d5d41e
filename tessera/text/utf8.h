// UTF-8 over bytes that may not be UTF-8: every byte sequence is a sequence of units, each a valid
// character or one invalid byte, and writing the units back gives the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

// Code of the unit that stands for the invalid byte b: kInvalidByte + b, above every character.
inline constexpr char32_t kInvalidByte = 0x110000;
inline constexpr char32_t kCodeEnd = kInvalidByte + 0x100;

struct Unit {
  char32_t code;
  uint32_t length;  // bytes, 1 to 4
};

// The unit at byte `at`; strict (no surrogates, no overlong forms). Needs at < text.size().
inline Unit unit_at(std::string_view text, size_t at) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t left = text.size() - at;
  auto tail = [&](size_t i) { return i < left && (byte(i) & 0xC0) == 0x80; };
  auto bits = [&](size_t i) { return static_cast<char32_t>(byte(i) & 0x3F); };
  if (lead >= 0xC2 && lead < 0xE0 && tail(1)) {
    return {static_cast<char32_t>(lead & 0x1F) << 6 | bits(1), 2};
  }
  if ((lead & 0xF0) == 0xE0 && tail(1) && tail(2)) {
    char32_t code = static_cast<char32_t>(lead & 0x0F) << 12 | bits(1) << 6 | bits(2);
    if (code >= 0x800 && (code < 0xD800 || code > 0xDFFF)) return {code, 3};
  }
  if (lead >= 0xF0 && lead < 0xF5 && tail(1) && tail(2) && tail(3)) {
    char32_t code =
        static_cast<char32_t>(lead & 0x07) << 18 | bits(1) << 12 | bits(2) << 6 | bits(3);
    if (code >= 0x10000 && code < kInvalidByte) return {code, 4};
  }
  return {kInvalidByte + lead, 1};
}

// Writes a unit: a character as UTF-8, an invalid byte as itself.
inline void append_unit(std::string& out, char32_t code) {
  auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else if (code < kInvalidByte) {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(code - kInvalidByte);
  }
}

inline bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    Unit u = unit_at(text, i);
    if (u.code >= kInvalidByte) return false;
    i += u.length;
  }
  return true;
}

// Bytes at the end of `text` (0 to 3) that begin a character which more bytes could complete.
inline size_t incomplete_tail(std::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    auto lead = static_cast<unsigned char>(text[text.size() - back]);
    if ((lead & 0xC0) == 0x80) continue;
    size_t wanted = lead >= 0xF0 && lead < 0xF5   ? 4
                    : lead >= 0xE0 && lead < 0xF0 ? 3
                    : lead >= 0xC2 && lead < 0xE0 ? 2
                                                  : 1;
    if (wanted <= back) return 0;
    // The second byte decides about overlong forms, surrogates and codes beyond the last.
    if (back >= 2) {
      auto second = static_cast<unsigned char>(text[text.size() - back + 1]);
      if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
          (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) {
        return 0;
      }
    }
    return back;
  }
  return 0;
}

}  // namespace tessera
