#include "tessera/text/unicode.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace tessera {

using unicode::Range;

CodeSet::CodeSet(std::vector<Range> ranges) {
  std::erase_if(ranges, [](const Range& r) { return r.first > r.last; });
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.first < b.first; });
  for (const Range& r : ranges) {
    if (!ranges_.empty() && r.first <= ranges_.back().last + 1) {
      ranges_.back().last = std::max(ranges_.back().last, r.last);
    } else {
      ranges_.push_back(r);
    }
  }
}

bool CodeSet::contains(char32_t code) const {
  auto after = std::upper_bound(ranges_.begin(), ranges_.end(), code,
                                [](char32_t c, const Range& r) { return c < r.first; });
  return after != ranges_.begin() && code <= std::prev(after)->last;
}

CodeSet CodeSet::operator|(const CodeSet& other) const {
  std::vector<Range> all = ranges_;
  all.insert(all.end(), other.ranges_.begin(), other.ranges_.end());
  return CodeSet(std::move(all));
}

CodeSet CodeSet::operator~() const {
  std::vector<Range> out;
  char32_t next = 0;
  for (const Range& r : ranges_) {
    if (r.first > next) out.push_back({next, r.first - 1});
    next = r.last + 1;
  }
  if (next < kCodeEnd) out.push_back({next, kCodeEnd - 1});
  return CodeSet(std::move(out));
}

CodeSet CodeSet::operator&(const CodeSet& other) const { return ~(~*this | ~other); }

std::unique_ptr<CodeSet> find_code_set(std::string_view name) {
  std::vector<Range> ranges;
  bool found = false;
  for (const auto& set : unicode::named_sets()) {
    bool member = name.size() == 1 && set.name.size() == 2 && set.name[0] == name[0];
    if (set.name != name && !member) continue;
    found = true;
    ranges.insert(ranges.end(), set.ranges.begin(), set.ranges.end());
  }
  return found ? std::make_unique<CodeSet>(std::move(ranges)) : nullptr;
}

CodeBitmap::CodeBitmap(const CodeSet& set) : bits_((kCodeEnd + 63) / 64) {
  for (const Range& r : set.ranges()) {
    for (char32_t c = r.first; c <= r.last;) {
      if ((c & 63) == 0 && c + 63 <= r.last) {
        bits_[c >> 6] = ~uint64_t{0};
        c += 64;
      } else {
        bits_[c >> 6] |= uint64_t{1} << (c & 63);
        ++c;
      }
    }
  }
}

CodeBitmap::CodeBitmap(std::string_view name) : bits_((kCodeEnd + 63) / 64) {
  const std::unique_ptr<CodeSet> set = find_code_set(name);
  assert(set);
  if (set) bits_ = CodeBitmap(*set).bits_;
}

}  // namespace tessera
