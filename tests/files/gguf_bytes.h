// Builds GGUF files in memory, right ones and damaged ones.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::test {

class Bytes {
 public:
  template <class T>
  Bytes& put(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& raw(std::string_view text) {
    text_.append(text);
    return *this;
  }
  Bytes& string(std::string_view text) { return put<uint64_t>(text.size()).raw(text); }
  Bytes& pad(size_t alignment) {
    while (text_.size() % alignment != 0) text_ += '\0';
    return *this;
  }
  const std::string& text() const { return text_; }
  std::span<const std::byte> bytes() const {
    return {reinterpret_cast<const std::byte*>(text_.data()), text_.size()};
  }

 private:
  std::string text_;
};

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// A file of `keys` entries (already encoded) and f32 tensors of the given sizes, one dimension
// each.
struct SmallGguf {
  uint32_t version = 3;
  uint64_t keys = 0;
  Bytes metadata;
  std::vector<std::pair<std::string, uint64_t>> tensors;

  std::string text() const {
    Bytes out;
    out.raw("GGUF").put(version).put<uint64_t>(tensors.size()).put(keys).raw(metadata.text());
    uint64_t offset = 0;
    for (const auto& [name, size] : tensors) {
      out.string(name).put<uint32_t>(1).put(size).put<uint32_t>(0).put(offset);
      offset += (size * 4 + 31) / 32 * 32;
    }
    out.pad(32);
    for (const auto& [name, size] : tensors) {
      for (uint64_t i = 0; i < size; ++i) out.put(static_cast<float>(i));
      out.pad(32);
    }
    return out.text();
  }
};

}  // namespace tessera::test
