#include "tessera/use/sentences.h"

#include <algorithm>
#include <array>

#include "tessera/text/utf8.h"

namespace tessera {
namespace {

// Longest sentence, in bytes.
constexpr size_t kLongest = 2000;
// Of these many bytes without white space, a fragment behind a full stop is no sentence.
constexpr size_t kFragment = 8;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Length of what may close a sentence behind its mark; 0: none stands there.
size_t closer_at(std::string_view text, size_t at) {
  constexpr std::array<std::string_view, 11> closers = {
      "\"", "'", ")", "]", "*", "_", "\u201d", "\u2019", "\u300d", "\u300f", "\uff09"};
  for (const std::string_view c : closers) {
    if (text.substr(at).starts_with(c)) return c.size();
  }
  return 0;
}

bool wide_mark_at(std::string_view text, size_t at) {
  const std::string_view here = text.substr(at, 3);
  return here == "\u3002" || here == "\uff01" || here == "\uff1f" || here == "\uff61";
}

// End of what begins at `begin`.
size_t end_of(std::string_view text, size_t begin) {
  bool written = false;  // anything but white space so far
  const size_t limit = std::min(text.size(), begin + kLongest);
  for (size_t at = begin; at < limit;) {
    const char c = text[at];
    if (c == '\n' && written) {
      // A blank line ends what stands before it; so its white space begins the next.
      size_t next = at + 1;
      while (next < limit && (text[next] == ' ' || text[next] == '\t' || text[next] == '\r'))
        ++next;
      if (next < limit && text[next] == '\n') return at;
    }
    const bool wide = wide_mark_at(text, at);
    if (!wide && c != '.' && c != '?' && c != '!') {
      written = written || !is_space(c);
      ++at;
      continue;
    }
    written = true;
    size_t end = at + (wide ? 3 : 1);
    for (size_t n; end < text.size() && (n = closer_at(text, end)) > 0;) end += n;
    if (end >= text.size()) return text.size();
    if (wide ? !wide_mark_at(text, end) : is_space(text[end])) return end;
    at = end;
  }
  if (limit == text.size()) return limit;
  return begin + cut_before(text.substr(begin), kLongest);
}

// Bytes between the white space at both ends.
size_t written_bytes(std::string_view piece) {
  size_t begin = 0, end = piece.size();
  while (begin < end && is_space(piece[begin])) ++begin;
  while (begin < end && is_space(piece[end - 1])) --end;
  return end - begin;
}

}  // namespace

size_t cut_before(std::string_view piece, size_t limit) {
  for (size_t at = limit; at-- > 1;) {
    if (piece[at - 1] == '\n') return at;
  }
  for (size_t at = limit; at-- > 1;) {
    if (piece[at] == ' ') return at;
  }
  size_t at = limit;
  while (at > 1 && at < piece.size() && (static_cast<unsigned char>(piece[at]) & 0xC0) == 0x80 &&
         limit - at < 3) {
    --at;
  }
  return at;
}

bool SentenceCutter::next(Sentence& out) {
  if (at_ >= document_.size()) return false;
  out.begin = at_;
  out.end = end_of(document_, at_);
  while (out.end < document_.size()) {
    const size_t more = end_of(document_, out.end);
    if (more - out.begin > kLongest) break;
    const size_t written = written_bytes(document_.substr(out.end, more - out.end));
    const bool fragment =
        written <= kFragment && document_[out.end - 1] == '.' && document_[out.end] != '\n';
    if (written > 0 && !fragment) break;
    out.end = more;
  }
  at_ = out.end;
  return true;
}

}  // namespace tessera
