#include "tessera/text/marked_text.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace tessera {

MarkedText::MarkedText(std::string text, bool is_content) : bytes(std::move(text)) {
  if (is_content) mark(0, bytes.size());
}

void MarkedText::mark(size_t begin, size_t end) {
  if (begin == end) return;
  if (!content.empty() && content.back().end == begin) {
    content.back().end = end;
  } else {
    content.push_back({begin, end});
  }
}

void MarkedText::append(std::string_view text, bool is_content) {
  size_t begin = bytes.size();
  bytes += text;
  if (is_content) mark(begin, bytes.size());
}

void MarkedText::append(const MarkedText& other, size_t begin, size_t end) {
  assert(begin <= end && end <= other.size() && &other != this);
  size_t base = bytes.size();
  bytes.append(other.bytes, begin, end - begin);
  auto range = std::partition_point(other.content.begin(), other.content.end(),
                                    [&](const TextRange& r) { return r.end <= begin; });
  for (; range != other.content.end() && range->begin < end; ++range) {
    mark(base + std::max(range->begin, begin) - begin, base + std::min(range->end, end) - begin);
  }
}

MarkedText MarkedText::slice(size_t begin, size_t end) const {
  MarkedText out;
  out.append(*this, begin, end);
  return out;
}

}  // namespace tessera
