#include "tessera/tokenizer/borders.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "tessera/kernels/kernels.h"

namespace tessera {
namespace {

using Row = std::array<uint64_t, 2>;  // a set of ASCII characters

// How often a character stands in text, roughly; it decides which pairs a cover may add.
float weight(size_t c) {
  if (c == ' ') return 100;
  if (c >= 'a' && c <= 'z') return 30;
  if (c == '\n') return 20;
  if (std::strchr(".,()_\"'", static_cast<int>(c)) && c != 0) return 8;
  return c < 32 ? 0.1F : 3;
}

float weight(const Row& row) {
  static const auto weights = [] {
    std::array<float, 128> out{};
    for (size_t c = 0; c < out.size(); ++c) out[c] = weight(c);
    return out;
  }();
  float sum = 0;
  for (size_t half = 0; half < 2; ++half) {
    for (uint64_t bits = row[half]; bits != 0; bits &= bits - 1) {
      sum += weights[64 * half + static_cast<size_t>(std::countr_zero(bits))];
    }
  }
  return sum;
}

struct Group {
  Row row{};
  float front = 0;  // weight of the characters in front
  Row members{};
};

// What it costs to let both groups have the pairs of either.
float cost(const Group& a, const Group& b) {
  const Row more_a = {b.row[0] & ~a.row[0], b.row[1] & ~a.row[1]};
  const Row more_b = {a.row[0] & ~b.row[0], a.row[1] & ~b.row[1]};
  return a.front * weight(more_a) + b.front * weight(more_b);
}

bool is_ascii(const char* text, size_t size) {
  uint64_t all = 0, word = 0;
  for (size_t i = 0; i + 8 <= size; i += 8) {
    std::memcpy(&word, text + i, 8);
    all |= word;
  }
  std::memcpy(&word, text + size - 8, 8);
  return ((all | word) & 0x8080808080808080) == 0;
}

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
        if (l < 128 && r < 128) {
          ascii_[l][r >> 6] |= uint64_t{1} << (r & 63);
        } else {
          mark(kBoth, l, r);
        }
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

// Covers the ASCII pairs with 16 rectangles: the two groups that cost least become one, until so
// many are left.
void Borders::finish() {
  std::vector<Group> groups;
  for (size_t c = 0; c < 128; ++c) {
    auto same = std::find_if(groups.begin(), groups.end(),
                             [&](const Group& g) { return g.row == ascii_[c]; });
    if (same == groups.end()) same = groups.insert(groups.end(), Group{ascii_[c], 0, {}});
    same->front += weight(c);
    same->members[c >> 6] |= uint64_t{1} << (c & 63);
  }
  constexpr size_t kGroups = 16;
  std::vector<std::vector<float>> costs(groups.size(), std::vector<float>(groups.size()));
  const auto renew = [&](size_t a) {
    for (size_t b = 0; b < groups.size(); ++b)
      costs[a][b] = costs[b][a] = cost(groups[a], groups[b]);
  };
  for (size_t a = 0; a < groups.size(); ++a) renew(a);
  while (groups.size() > kGroups) {
    size_t best_a = 0, best_b = 1;
    for (size_t a = 0; a < groups.size(); ++a) {
      for (size_t b = a + 1; b < groups.size(); ++b) {
        if (costs[a][b] < costs[best_a][best_b]) best_a = a, best_b = b;
      }
    }
    Group& into = groups[best_a];
    const Group& from = groups[best_b];
    for (size_t half = 0; half < 2; ++half) {
      into.row[half] |= from.row[half];
      into.members[half] |= from.members[half];
    }
    into.front += from.front;
    groups[best_b] = groups.back();
    for (size_t a = 0; a < groups.size(); ++a) {
      costs[a][best_b] = costs[a][groups.size() - 1];
      costs[best_b][a] = costs[groups.size() - 1][a];
    }
    groups.pop_back();
    renew(best_a);
  }
  for (size_t g = 0; g < groups.size(); ++g) {
    const auto bit = static_cast<uint8_t>(1 << g % 8);
    for (size_t c = 0; c < 128; ++c) {
      const auto in = [c](const Row& row) { return (row[c >> 6] >> (c & 63) & 1) != 0; };
      if (in(groups[g].members)) groups_.front[g / 8][c] |= bit;
      if (in(groups[g].row)) groups_.behind[g / 8][c] |= bit;
    }
  }
}

// Appends the borders at at + 1 .. at + 64, around which all is ASCII.
void Borders::plain_block(std::string_view text, size_t at, std::vector<uint32_t>& starts) const {
  uint64_t crossed = 0;
  kernels().pair_masks(reinterpret_cast<const unsigned char*>(text.data()) + at + 1, 1, groups_,
                       &crossed);
  crossed = ~crossed;
  const size_t held = starts.size();
  starts.resize(held + 64 + 16);
  const size_t count =
      kernels().positions(&crossed, 1, static_cast<uint32_t>(at + 1), starts.data() + held);
  starts.resize(held + count);
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
  const size_t enough = at + bytes, first = starts.size();
  starts.push_back(static_cast<uint32_t>(at));
  Unit left = unit_at(text, at);
  for (size_t look = at;;) {
    if (at >= look && text.size() - at > 64) {
      // Plain ASCII goes by the block; where there is none, it is looked for again a block later.
      look = at + 64;
      if (is_ascii(text.data() + at, 65)) {
        plain_block(text, at, starts);
        at += 64;
        left = unit_at(text, at);
        if (at < enough || starts.size() == first + 1) continue;
        const size_t last = starts.back();
        starts.pop_back();
        return last;
      }
    }
    at += left.length;
    if (at >= text.size()) return text.size();
    const Unit right = unit_at(text, at);
    if (!crossed(left, text[at - 1], right, text[at])) {
      if (at >= enough) return at;
      starts.push_back(static_cast<uint32_t>(at));
    }
    left = right;
  }
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
