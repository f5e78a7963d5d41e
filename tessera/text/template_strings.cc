#include "tessera/text/template_strings.h"

#include <algorithm>

namespace tessera::templates {
namespace {

// Length of the white space (Python's str.isspace) at `at`, 0 when there is none.
size_t space_length(std::string_view text, size_t at) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  unsigned c = byte(at);
  if ((c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20)) return 1;
  if (c == 0xc2 && (byte(at + 1) == 0x85 || byte(at + 1) == 0xa0)) return 2;
  if (c == 0xe1 && byte(at + 1) == 0x9a && byte(at + 2) == 0x80) return 3;
  if (c == 0xe2 && byte(at + 1) == 0x80) {
    unsigned d = byte(at + 2);
    if ((d >= 0x80 && d <= 0x8a) || d == 0xa8 || d == 0xa9 || d == 0xaf) return 3;
  }
  if (c == 0xe2 && byte(at + 1) == 0x81 && byte(at + 2) == 0x9f) return 3;
  if (c == 0xe3 && byte(at + 1) == 0x80 && byte(at + 2) == 0x80) return 3;
  return 0;
}

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }
bool upper(char c) { return c >= 'A' && c <= 'Z'; }
bool lower(char c) { return c >= 'a' && c <= 'z'; }
char to_upper(char c) { return lower(c) ? static_cast<char>(c - 32) : c; }
char to_lower(char c) { return upper(c) ? static_cast<char>(c + 32) : c; }

}  // namespace

size_t character_length(std::string_view text, size_t at) {
  auto c = static_cast<unsigned char>(text[at]);
  size_t n = c >= 0xf0 && c < 0xf8 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc0 && c < 0xe0 ? 2 : 1;
  if (at + n > text.size()) return 1;
  for (size_t i = 1; i < n; ++i) {
    if (!continues(text[at + i])) return 1;
  }
  return n;
}

std::vector<size_t> character_starts(std::string_view text) {
  std::vector<size_t> out;
  out.reserve(text.size() + 1);
  for (size_t i = 0; i < text.size(); i += character_length(text, i)) out.push_back(i);
  out.push_back(text.size());
  return out;
}

size_t count_characters(std::string_view text) {
  size_t n = 0;
  for (size_t i = 0; i < text.size(); i += character_length(text, i)) ++n;
  return n;
}

MarkedText strip(const MarkedText& text, std::string_view characters, bool left, bool right) {
  const std::string& s = text.bytes;
  auto stripped = [&](size_t at, size_t length) {
    if (characters.empty()) return space_length(s, at) == length;
    for (size_t i = 0; i < characters.size(); i += character_length(characters, i)) {
      if (std::string_view(s).substr(at, length) ==
          characters.substr(i, character_length(characters, i))) {
        return true;
      }
    }
    return false;
  };
  size_t begin = 0, end = s.size();
  while (left && begin < end && stripped(begin, character_length(s, begin))) {
    begin += character_length(s, begin);
  }
  while (right && end > begin) {
    size_t at = end - 1;
    while (at > begin && end - at < 4 && continues(s[at])) --at;
    if (character_length(s, at) != end - at) at = end - 1;
    if (!stripped(at, end - at)) break;
    end = at;
  }
  return text.slice(begin, end);
}

MarkedText replace(const MarkedText& text, std::string_view old, const MarkedText& fresh, int64_t count) {
  MarkedText out;
  const std::string& s = text.bytes;
  if (old.empty()) {  // before each character and at the end
    for (size_t at = 0; count != 0; --count) {
      out.append(fresh);
      if (at >= s.size()) return out;
      size_t n = character_length(s, at);
      out.append(text, at, at + n);
      at += n;
      if (count == 1) {
        out.append(text, at, s.size());
        return out;
      }
    }
    return text;
  }
  size_t begin = 0;
  while (count != 0) {
    size_t found = s.find(old, begin);
    if (found == std::string::npos) break;
    out.append(text, begin, found);
    out.append(fresh);
    begin = found + old.size();
    --count;
  }
  out.append(text, begin, s.size());
  return out;
}

std::vector<MarkedText> split_text(const MarkedText& text, std::string_view separator, int64_t most,
                                   bool from_right) {
  const std::string& s = text.bytes;
  std::vector<TextRange> parts;
  if (separator.empty()) {
    // Words; from the right only the cut differs, which is found afterwards.
    for (size_t i = 0; i < s.size();) {
      if (size_t n = space_length(s, i)) {
        i += n;
        continue;
      }
      size_t begin = i;
      while (i < s.size() && space_length(s, i) == 0) i += character_length(s, i);
      parts.push_back({begin, i});
    }
    auto limit = static_cast<size_t>(most);
    if (most >= 0 && parts.size() > limit + 1) {
      if (from_right) {
        auto rest = parts.end() - static_cast<ptrdiff_t>(limit);
        TextRange first{0, (rest - 1)->end};
        parts.erase(parts.begin(), rest);
        parts.insert(parts.begin(), first);
      } else {
        parts[limit].end = s.size();
        parts.resize(limit + 1);
      }
    }
  } else if (from_right) {
    size_t end = s.size();
    while (most != 0 && end >= separator.size()) {
      size_t found = s.rfind(separator, end - separator.size());
      if (found == std::string::npos) break;
      parts.push_back({found + separator.size(), end});
      end = found;
      --most;
    }
    parts.push_back({0, end});
    std::reverse(parts.begin(), parts.end());
  } else {
    size_t begin = 0;
    while (most != 0) {
      size_t found = s.find(separator, begin);
      if (found == std::string::npos) break;
      parts.push_back({begin, found});
      begin = found + separator.size();
      --most;
    }
    parts.push_back({begin, s.size()});
  }
  std::vector<MarkedText> out;
  out.reserve(parts.size());
  for (const TextRange& r : parts) out.push_back(text.slice(r.begin, r.end));
  return out;
}

std::vector<MarkedText> split_lines(const MarkedText& text, bool keep_ends) {
  const std::string& s = text.bytes;
  std::vector<MarkedText> out;
  auto line_end = [&](size_t i) -> size_t {
    auto c = static_cast<unsigned char>(s[i]);
    if (c == '\r' && i + 1 < s.size() && s[i + 1] == '\n') return 2;
    if ((c >= '\n' && c <= '\r') || (c >= 0x1c && c <= 0x1e)) return 1;
    if (c == 0xc2 && i + 1 < s.size() && static_cast<unsigned char>(s[i + 1]) == 0x85) return 2;
    if (c == 0xe2 && i + 2 < s.size() && static_cast<unsigned char>(s[i + 1]) == 0x80 &&
        (static_cast<unsigned char>(s[i + 2]) & 0xfe) == 0xa8) {
      return 3;
    }
    return 0;
  };
  size_t begin = 0;
  for (size_t i = 0; i < s.size();) {
    size_t n = line_end(i);
    if (n == 0) {
      ++i;
      continue;
    }
    out.push_back(text.slice(begin, keep_ends ? i + n : i));
    i += n;
    begin = i;
  }
  if (begin < s.size()) out.push_back(text.slice(begin, s.size()));
  return out;
}

MarkedText change_case(const MarkedText& text, Case how) {
  MarkedText out = text;
  bool word_begins = true;
  for (char& c : out.bytes) {
    switch (how) {
      case Case::upper: c = to_upper(c); break;
      case Case::lower: c = to_lower(c); break;
      case Case::swap: c = upper(c) ? to_lower(c) : to_upper(c); break;
      case Case::capitalize:
        c = word_begins ? to_upper(c) : to_lower(c);
        word_begins = false;
        break;
      case Case::title:
      case Case::jinja_title: {
        c = word_begins ? to_upper(c) : to_lower(c);
        bool letter = upper(c) || lower(c) || static_cast<unsigned char>(c) >= 0x80;
        bool splits = (c >= '\t' && c <= '\r') || c == ' ' || c == '-' || c == '(' || c == '{' ||
                      c == '[' || c == '<';
        word_begins = how == Case::title ? !letter : splits;
        break;
      }
    }
  }
  return out;
}

}  // namespace tessera::templates
