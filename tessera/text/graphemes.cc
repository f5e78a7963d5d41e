#include "tessera/text/graphemes.h"

#include "tessera/text/unicode.h"

namespace tessera {
namespace {

struct Sets {
  CodeBitmap control{"grapheme_control"}, extend{"grapheme_extend"}, prepend{"grapheme_prepend"};
  CodeBitmap before_vowel{"grapheme_before_vowel"}, before_final{"grapheme_before_final"};
  CodeBitmap picture{"grapheme_picture"}, consonant{"grapheme_consonant"};
  CodeBitmap linker{"grapheme_linker"}, linked{"grapheme_linked"};
};

const Sets& sets() {
  static const Sets all;
  return all;
}

constexpr char32_t kJoiner = 0x200D;

bool is_precomposed(char32_t c) { return c >= 0xAC00 && c < 0xD7A4; }
bool is_hangul(char32_t c) {
  return (c >= 0x1100 && c < 0x1200) || (c >= 0xA960 && c < 0xA97D) || is_precomposed(c) ||
         (c >= 0xD7B0 && c < 0xD7FC) || (c >= 0x16D63 && c < 0x16D6B);
}

// What the characters so far ask of the next one.
struct State {
  char32_t last = 0;
  bool picture = false;    // a picture and extenders
  bool consonant = false;  // a consonant, linkers and extenders
  bool linked = false;     // .. of which one is a linker

  void take(char32_t c) {
    const Sets& s = sets();
    const bool linker = s.linker[c] && s.extend[c];
    if (s.picture[c]) {
      picture = true;
    } else if (!s.extend[c]) {
      picture = false;
    }
    if (s.consonant[c]) {
      consonant = true;
      linked = false;
    } else if (linker || (s.linked[c] && s.extend[c])) {
      linked = linked || linker;
    } else {
      consonant = false;
    }
    last = c;
  }

  // Whether `c` belongs to the same cluster.
  bool joins(char32_t c) const {
    const Sets& s = sets();
    if (last == '\r' && c == '\n') return true;
    if (s.control[last] || s.control[c]) return false;
    if (s.extend[c]) return true;
    if (s.prepend[last]) return true;
    if (last == kJoiner && picture && s.picture[c]) return true;
    if (consonant && linked && s.consonant[c]) return true;
    return is_hangul(last) && is_hangul(c) && joins_syllable(c);
  }

  bool joins_syllable(char32_t c) const {
    const Sets& s = sets();
    const bool vowel_may_follow = s.before_vowel[last], final_may_follow = s.before_final[last];
    // A leading consonant is before vowels only; a final one before finals only.
    const bool after_leading = vowel_may_follow && !final_may_follow;
    const bool vowel = !is_precomposed(c) && s.before_vowel[c] && s.before_final[c];
    const bool last_consonant = !is_precomposed(c) && !s.before_vowel[c] && s.before_final[c];
    if (after_leading)
      return vowel || is_precomposed(c) || (s.before_vowel[c] && !s.before_final[c]);
    return (vowel && vowel_may_follow) || (last_consonant && final_may_follow);
  }
};

}  // namespace

size_t grapheme_length(std::string_view text, size_t at) {
  const Unit first = unit_at(text, at);
  size_t end = at + first.length;
  if (first.code >= kInvalidByte) return first.length;
  // Two letters of ASCII are two clusters.
  if (first.code < 0x80 && first.code != '\r' &&
      (end == text.size() || static_cast<unsigned char>(text[end]) < 0x80)) {
    return 1;
  }
  State state;
  state.take(first.code);
  while (end < text.size()) {
    const Unit u = unit_at(text, end);
    if (u.code >= kInvalidByte || !state.joins(u.code)) break;
    state.take(u.code);
    end += u.length;
  }
  return end - at;
}

}  // namespace tessera
