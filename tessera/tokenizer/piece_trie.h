// Which strings of a set a text begins with.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace tessera {

// A trie over bytes, built once: the children of a node lie side by side. Memory: 13 bytes a node,
// and no more nodes than the strings have bytes.
class PieceTrie {
 public:
  struct Entry {
    std::string_view text;
    int32_t value;  // 0 or more
  };
  // Of equal strings the first counts; empty ones are never found.
  explicit PieceTrie(std::vector<Entry> entries = {});

  // Calls match(length, value) for each string that `text` begins with, the shortest first.
  template <class Match>
  void prefixes(std::string_view text, const Match& match) const {
    uint32_t node = text.empty() ? 0 : roots_[static_cast<unsigned char>(text[0])];
    for (size_t length = 1; node != 0; ++length) {
      if (nodes_[node].value >= 0) match(length, nodes_[node].value);
      if (length == text.size()) return;
      node = child(node, static_cast<unsigned char>(text[length]));
    }
  }
  // The value of `text` itself, or -1.
  int32_t find(std::string_view text) const;
  bool empty() const { return nodes_[0].count == 0; }

 private:
  struct Node {
    uint32_t first = 0;  // child
    uint32_t count = 0;
    int32_t value = -1;
  };
  // 0: none.
  uint32_t child(uint32_t node, unsigned char byte) const {
    const Node& n = nodes_[node];
    const unsigned char* begin = labels_.data() + n.first;
    const void* at = n.count == 0 ? nullptr : std::memchr(begin, byte, n.count);
    if (!at) return 0;
    return n.first + static_cast<uint32_t>(static_cast<const unsigned char*>(at) - begin);
  }

  std::array<uint32_t, 256> roots_{};  // the root's children
  std::vector<Node> nodes_;
  std::vector<unsigned char> labels_;
};

}  // namespace tessera
