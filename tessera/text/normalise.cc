#include "tessera/text/normalise.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tessera/text/unicode.h"

namespace tessera {
namespace {

constexpr char32_t kHangul = 0xAC00, kLead = 0x1100, kVowel = 0x1161, kTail = 0x11A7;
constexpr char32_t kLeads = 19, kVowels = 21, kTails = 28;
constexpr char32_t kSyllables = kLeads * kVowels * kTails;

const unicode::Mapping* find_mapping(std::span<const unicode::Mapping> table, char32_t code) {
  auto it = std::lower_bound(table.begin(), table.end(), code,
                             [](const unicode::Mapping& m, char32_t c) { return m.from < c; });
  return it != table.end() && it->from == code ? &*it : nullptr;
}

std::span<const char32_t> target(const unicode::Mapping& m) {
  return unicode::pool_table().subspan(m.offset, m.length);
}

uint8_t combining_class(char32_t code) {
  auto table = unicode::combining_table();
  auto it = std::upper_bound(table.begin(), table.end(), code,
                             [](char32_t c, const unicode::ClassRange& r) { return c < r.first; });
  return it != table.begin() && code <= std::prev(it)->last ? std::prev(it)->number : 0;
}

char32_t composed(char32_t first, char32_t second) {
  if (first - kLead < kLeads && second - kVowel < kVowels) {
    return kHangul + ((first - kLead) * kVowels + (second - kVowel)) * kTails;
  }
  if (first - kHangul < kSyllables && (first - kHangul) % kTails == 0 && second > kTail &&
      second < kTail + kTails) {
    return first + (second - kTail);
  }
  auto table = unicode::compositions_table();
  auto it = std::lower_bound(table.begin(), table.end(), std::pair(first, second),
                             [](const unicode::Composition& c, const auto& key) {
                               return std::pair(c.first, c.second) < key;
                             });
  bool found = it != table.end() && it->first == first && it->second == second;
  return found ? it->composed : 0;
}

struct Mark {
  char32_t code;
  ByteRange from;  // in the text being normalised
  uint8_t combining;
};

void decompose(char32_t code, ByteRange from, bool compatible, std::vector<Mark>& out) {
  auto push = [&](char32_t c) { out.push_back({c, from, combining_class(c)}); };
  if (code - kHangul < kSyllables) {
    char32_t s = code - kHangul;
    push(kLead + s / (kVowels * kTails));
    push(kVowel + s % (kVowels * kTails) / kTails);
    if (s % kTails) push(kTail + s % kTails);
    return;
  }
  const unicode::Mapping* m =
      compatible ? find_mapping(unicode::compatible_table(), code) : nullptr;
  if (!m) m = find_mapping(unicode::canonical_table(), code);
  if (!m) return push(code);
  for (char32_t c : target(*m)) push(c);
}

// Marks that change places leave their origins where they are, so that the origins of a text stay
// in order.
void order(std::vector<Mark>& marks) {
  auto by_class = [](const Mark& a, const Mark& b) { return a.combining < b.combining; };
  for (auto it = marks.begin(); it != marks.end();) {
    if (it->combining == 0) {
      ++it;
      continue;
    }
    auto end = std::find_if(it, marks.end(), [](const Mark& m) { return m.combining == 0; });
    if (!std::is_sorted(it, end, by_class)) {
      std::vector<ByteRange> origins;
      for (auto m = it; m != end; ++m) origins.push_back(m->from);
      std::stable_sort(it, end, by_class);
      for (size_t i = 0; i < origins.size(); ++i) it[static_cast<ptrdiff_t>(i)].from = origins[i];
    }
    it = end;
  }
}

void compose(std::vector<Mark>& marks) {
  constexpr size_t kNone = ~size_t{0};
  size_t starter = kNone, kept = 0;
  uint8_t previous = 0;  // class of the last mark kept behind the starter
  for (const Mark m : marks) {
    bool adjacent = starter != kNone && kept == starter + 1;
    bool blocked = !adjacent && previous >= m.combining;
    if (starter != kNone && !blocked) {
      if (char32_t both = composed(marks[starter].code, m.code)) {
        // The origins of marks in between move up, for the same reason.
        ByteRange next = m.from;
        for (size_t i = kept; i-- > starter + 1;) std::swap(next, marks[i].from);
        ByteRange& from = marks[starter].from;
        from = {std::min(from.begin, next.begin), std::max(from.end, next.end)};
        marks[starter].code = both;
        continue;
      }
    }
    if (m.combining == 0) starter = kept;
    previous = m.combining;
    marks[kept++] = m;
  }
  marks.resize(kept);
}

// Code points that a form changes, moves or joins to what stands before them.
CodeSet active_in(NormalForm form) {
  std::vector<unicode::Range> active;
  for (const auto& r : unicode::combining_table()) active.push_back({r.first, r.last});
  const bool composes = form == NormalForm::nfc || form == NormalForm::nfkc;
  for (const auto& m : unicode::canonical_table()) {
    bool stable = false;
    if (composes) {
      std::vector<Mark> marks;
      decompose(m.from, {}, false, marks);
      compose(marks);
      stable = marks.size() == 1 && marks[0].code == m.from;
    }
    if (!stable) active.push_back({m.from, m.from});
  }
  if (form == NormalForm::nfkc || form == NormalForm::nfkd) {
    for (const auto& m : unicode::compatible_table()) active.push_back({m.from, m.from});
  }
  if (composes) {
    for (const auto& c : unicode::compositions_table()) active.push_back({c.second, c.second});
    active.push_back({kVowel, kVowel + kVowels - 1});
    active.push_back({kTail + 1, kTail + kTails - 1});
  } else {
    active.push_back({kHangul, kHangul + kSyllables - 1});
  }
  return CodeSet(std::move(active));
}

const CodeBitmap& active(NormalForm form) {
  static const CodeBitmap maps[] = {
      CodeBitmap(active_in(NormalForm::nfc)), CodeBitmap(active_in(NormalForm::nfd)),
      CodeBitmap(active_in(NormalForm::nfkc)), CodeBitmap(active_in(NormalForm::nfkd))};
  return maps[static_cast<size_t>(form)];
}

}  // namespace

AlignedText normalise(AlignedText given, NormalForm form) {
  const std::string_view text = given.text();
  const CodeBitmap& changes = active(form);
  const bool compatible = form == NormalForm::nfkc || form == NormalForm::nfkd;
  const bool composes = form == NormalForm::nfc || form == NormalForm::nfkc;
  size_t at = 0, previous = 0;  // previous: the unit before `at`, which may join what follows
  auto quiet = [&](size_t& last) {
    // To the next active unit.
    while (at < text.size()) {
      Unit u = unit_at(text, at);
      if (changes[u.code]) return;
      last = at;
      at += u.length;
    }
  };
  quiet(previous);
  if (at == text.size()) return given;

  AlignedBuilder next(given);
  size_t done = 0;
  std::vector<Mark> marks;
  std::string bytes;
  while (at < text.size()) {
    size_t begin = std::max(previous, done);
    next.keep({done, begin});
    marks.clear();
    size_t end = begin;
    while (end < text.size()) {
      Unit u = unit_at(text, end);
      if (end > at && !changes[u.code]) break;
      decompose(u.code, {end, end + u.length}, compatible, marks);
      end += u.length;
    }
    order(marks);
    if (composes) compose(marks);
    for (const Mark& m : marks) {
      bytes.clear();
      append_unit(bytes, m.code);
      next.put(bytes, m.from);
    }
    at = previous = done = end;
    quiet(previous);
  }
  next.keep({done, text.size()});
  return next.finish();
}

AlignedText lower_case(AlignedText given) {
  static const CodeBitmap changes([] {
    std::vector<unicode::Range> all;
    for (const auto& m : unicode::lower_table()) all.push_back({m.from, m.from});
    return CodeSet(std::move(all));
  }());
  const std::string_view text = given.text();
  AlignedBuilder next(given);
  bool changed = false;
  size_t done = 0;
  std::string bytes;
  for (size_t at = 0; at < text.size();) {
    Unit u = unit_at(text, at);
    size_t end = at + u.length;
    if (changes[u.code]) {
      changed = true;
      next.keep({done, at});
      bytes.clear();
      for (char32_t c : target(*find_mapping(unicode::lower_table(), u.code))) {
        append_unit(bytes, c);
      }
      next.put(bytes, {at, end});
      done = end;
    }
    at = end;
  }
  if (!changed) return given;
  next.keep({done, text.size()});
  return next.finish();
}

std::string normalise(std::string_view text, NormalForm form) {
  return std::string(normalise(AlignedText(text), form).text());
}

std::string lower_case(std::string_view text) {
  return std::string(lower_case(AlignedText(text)).text());
}

}  // namespace tessera
