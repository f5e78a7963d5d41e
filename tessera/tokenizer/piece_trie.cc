#include "tessera/tokenizer/piece_trie.h"

#include <algorithm>

namespace tessera {

PieceTrie::PieceTrie(std::vector<Entry> entries) : nodes_(1), labels_(1) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.text < b.text; });
  // Entries that begin with what leads to a node, and how many bytes that is.
  struct Share {
    size_t begin, end, depth;
  };
  std::vector<Share> shares = {{0, entries.size(), 0}};
  // Shares grow with the nodes; those of a node's children lie side by side.
  for (size_t node = 0; node < shares.size(); ++node) {
    const Share share = shares[node];
    size_t at = share.begin;
    while (at < share.end && entries[at].text.size() == share.depth) {
      if (nodes_[node].value < 0 && share.depth > 0) nodes_[node].value = entries[at].value;
      ++at;
    }
    nodes_[node].first = static_cast<uint32_t>(nodes_.size());
    while (at < share.end) {
      const char label = entries[at].text[share.depth];
      size_t end = at;
      while (end < share.end && entries[end].text[share.depth] == label) ++end;
      ++nodes_[node].count;
      nodes_.emplace_back();
      labels_.push_back(static_cast<unsigned char>(label));
      shares.push_back({at, end, share.depth + 1});
      at = end;
    }
  }
  for (size_t label = 0; label < roots_.size(); ++label) {
    roots_[label] = child(0, static_cast<unsigned char>(label));
  }
}

int32_t PieceTrie::find(std::string_view text) const {
  uint32_t node = 0;
  for (const char c : text) {
    node = child(node, static_cast<unsigned char>(c));
    if (node == 0) return -1;
  }
  return text.empty() ? -1 : nodes_[node].value;
}

}  // namespace tessera
