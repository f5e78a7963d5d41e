// Classes of code points. The classes are those of the reference package, see unicode_tables.h.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "tessera/text/unicode_tables.h"
#include "tessera/text/utf8.h"

namespace tessera {

// A set of units (code points and invalid bytes) as sorted, disjoint, non-adjacent ranges.
class CodeSet {
 public:
  CodeSet() = default;
  explicit CodeSet(std::vector<unicode::Range> ranges);  // any order, overlaps allowed
  static CodeSet single(char32_t code) { return CodeSet({{code, code}}); }

  std::span<const unicode::Range> ranges() const { return ranges_; }
  bool contains(char32_t code) const;  // O(log ranges)
  CodeSet operator|(const CodeSet& other) const;
  CodeSet operator&(const CodeSet& other) const;
  CodeSet operator~() const;  // within all units
  bool operator==(const CodeSet&) const = default;

 private:
  std::vector<unicode::Range> ranges_;
};

// The generated set `name`, or a general category's first letter ("L") for the union of its
// members; an empty pointer when there is none.
std::unique_ptr<CodeSet> find_code_set(std::string_view name);

// Membership in O(1), from a bitmap of 136 KiB.
class CodeBitmap {
 public:
  explicit CodeBitmap(const CodeSet& set);
  // For a generated set, which must exist.
  explicit CodeBitmap(std::string_view name);
  bool operator[](char32_t code) const { return bits_[code >> 6] >> (code & 63) & 1; }

 private:
  std::vector<uint64_t> bits_;
};

}  // namespace tessera
