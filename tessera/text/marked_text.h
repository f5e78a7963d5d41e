// Text that knows which of its bytes came from a person's content and which a template wrote.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// Half-open range of bytes.
struct TextRange {
  size_t begin = 0, end = 0;
  bool operator==(const TextRange&) const = default;
};

struct MarkedText {
  std::string bytes;
  std::vector<TextRange> content;   // ascending, neither overlapping nor touching

  MarkedText() = default;
  explicit MarkedText(std::string text, bool is_content = false);
  bool marked() const { return !content.empty(); }
  size_t size() const { return bytes.size(); }
  void append(std::string_view text, bool is_content = false);
  void append(const MarkedText& other) { append(other, 0, other.size()); }
  // Bytes [begin, end) of `other`, which is not this. Needs begin <= end <= other.size().
  void append(const MarkedText& other, size_t begin, size_t end);
  MarkedText slice(size_t begin, size_t end) const;

 private:
  void mark(size_t begin, size_t end);
};

}  // namespace tessera
