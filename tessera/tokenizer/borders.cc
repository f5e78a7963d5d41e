#include "tessera/tokenizer/borders.h"

namespace tessera {
namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

Borders::Borders(bool marks_are_spaces)
    : spaces_(marks_are_spaces), pairs_((size_t{1} << kBits) / 64) {}

void Borders::add(std::string_view token) {
  if (!token.empty() &&
      (continues(token.front()) || unit_at(token, token.size() - 1).code >= kInvalidByte)) {
    partial_ = true;
  }
  // The character that ends before byte `at`: whole, or only its last bytes.
  char32_t left = kInvalidByte;
  size_t left_size = 0;
  for (size_t at = 0; at < token.size();) {
    const Unit right = unit_at(token, at);
    if (at > 0 && !continues(token[at])) {
      const bool left_whole = left < kInvalidByte && left_size > 0;
      const bool right_whole = right.code < kInvalidByte;
      const auto end = static_cast<unsigned char>(token[at - 1]);
      const auto start = static_cast<unsigned char>(token[at]);
      if (left_whole && right_whole) {
        const char32_t l = code_of(left), r = code_of(right.code);
        if (l < 128 && r < 128) ascii_[l][r >> 6] |= uint64_t{1} << (r & 63);
        mark(kBoth, l, r);
      } else {
        partial_ = true;
        mark(left_whole    ? kRightStart
             : right_whole ? kLeftEnd
                           : kPieces,
             left_whole ? code_of(left) : end, right_whole ? code_of(right.code) : start);
      }
    }
    left = right.code;
    left_size = right.length;
    at += right.length;
  }
}

bool Borders::crossed(const Unit& left, char left_end, const Unit& right, char right_start) const {
  if (left.code >= kInvalidByte || right.code >= kInvalidByte) return true;
  const char32_t l = code_of(left.code), r = code_of(right.code);
  if (l < 128 && r < 128) return (ascii_[l][r >> 6] >> (r & 63) & 1) != 0;
  if (marked(kBoth, l, r)) return true;
  if (!partial_) return false;
  const auto end = static_cast<unsigned char>(left_end);
  const auto start = static_cast<unsigned char>(right_start);
  return (left.length > 1 && marked(kLeftEnd, end, r)) ||
         (right.length > 1 && marked(kRightStart, l, start)) ||
         (left.length > 1 && right.length > 1 && marked(kPieces, end, start));
}

size_t Borders::cut(std::string_view text, size_t at, size_t bytes,
                    std::vector<uint32_t>& starts) const {
  const size_t enough = at + bytes;
  starts.push_back(static_cast<uint32_t>(at));
  while (at < text.size()) {
    const Unit left = unit_at(text, at);
    at += left.length;
    if (left.code < 128) {
      // Plain ASCII needs no decoding.
      auto previous = static_cast<unsigned char>(left.code);
      for (; at < text.size(); ++at) {
        const auto now = static_cast<unsigned char>(text[at]);
        if (now >= 128) break;
        if ((ascii_[previous][now >> 6] >> (now & 63) & 1) == 0) {
          if (at >= enough) return at;
          starts.push_back(static_cast<uint32_t>(at));
        }
        previous = now;
      }
      if (at == text.size()) break;
      const Unit right = unit_at(text, at);
      if (crossed({previous, 1}, text[at - 1], right, text[at])) continue;
    } else {
      if (at == text.size()) break;
      if (crossed(left, text[at - 1], unit_at(text, at), text[at])) continue;
    }
    if (at >= enough) return at;
    starts.push_back(static_cast<uint32_t>(at));
  }
  return text.size();
}

size_t Borders::next(std::string_view front, std::string_view text) const {
  if (!crossed(unit_at(front, 0), front[0], unit_at(text, 0), text[0])) return 0;
  for (size_t at = 0; at < text.size();) {
    const Unit left = unit_at(text, at);
    at += left.length;
    if (at == text.size()) break;
    if (!crossed(left, text[at - 1], unit_at(text, at), text[at])) return at;
  }
  return text.size();
}

}  // namespace tessera
