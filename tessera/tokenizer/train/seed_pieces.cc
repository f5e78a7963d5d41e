#include "tessera/tokenizer/train/seed_pieces.h"

#include <algorithm>
#include <limits>
#include <map>

#include "tessera/base/error.h"

namespace tessera {
namespace {

// The first six characters of a suffix as one number, in the order of the text.
struct Suffix {
  uint64_t high, low;
  uint32_t place;
};

uint64_t three(const char32_t* at) {
  uint64_t key = 0;
  bool ended = false;
  for (int i = 0; i < 3; ++i) {
    key = key << 21 | (ended ? 0 : at[i]);
    ended = ended || at[i] == SpelledWords::kEnd;
  }
  return key;
}

// A range of sorted suffixes that begin with the same `length` characters, and no longer ones.
struct Node {
  size_t first, last;
  uint32_t length;
};

class SuffixOrder {
 public:
  SuffixOrder(const SpelledWords& words, size_t longest) : text_(words.text), longest_(longest) {
    // Three characters are read at once.
    text_.insert(text_.end(), 6, SpelledWords::kEnd);
    for (size_t i = 0; i < words.text.size(); ++i) {
      if (text_[i] == SpelledWords::kEnd) continue;
      const uint64_t high = three(&text_[i]);
      const bool ended = (high & 0x1FFFFF) == 0;
      suffixes_.push_back({high, ended ? 0 : three(&text_[i + 3]), static_cast<uint32_t>(i)});
    }
    std::sort(suffixes_.begin(), suffixes_.end(), [this](const Suffix& a, const Suffix& b) {
      if (a.high != b.high) return a.high < b.high;
      if (a.low != b.low) return a.low < b.low;
      const size_t same = common(a.place, b.place);
      const char32_t x = text_[a.place + same], y = text_[b.place + same];
      return same <= longest_ && x != y ? x < y : a.place < b.place;
    });
  }

  // Calls visit(node) for every string of at most longest_ characters that two suffixes begin with
  // and then differ.
  template <class Visit>
  void each_node(const Visit& visit) const {
    struct Open {
      size_t first;
      size_t length;
    };
    std::vector<Open> open;
    for (size_t i = 1; i <= suffixes_.size(); ++i) {
      const size_t same =
          i < suffixes_.size() ? common(suffixes_[i - 1].place, suffixes_[i].place) : 0;
      size_t first = i - 1;
      while (!open.empty() && open.back().length > same) {
        first = open.back().first;
        if (open.back().length <= longest_) {
          visit(Node{first, i, static_cast<uint32_t>(open.back().length)});
        }
        open.pop_back();
      }
      if (same > 0 && (open.empty() || open.back().length < same)) open.push_back({first, same});
    }
  }
  uint32_t place(size_t i) const { return suffixes_[i].place; }

 private:
  // Characters that both begin with, a word's end included, up to one more than the longest piece.
  size_t common(size_t a, size_t b) const {
    size_t n = 0;
    while (n <= longest_ && text_[a + n] == text_[b + n]) {
      ++n;
      if (text_[a + n - 1] == SpelledWords::kEnd) break;
    }
    return n;
  }

  std::vector<char32_t> text_;
  size_t longest_;
  std::vector<Suffix> suffixes_;
};

}  // namespace

void SpelledWords::add(std::span<const char32_t> codes, int64_t count) {
  if (codes.empty()) return;
  if (text.size() + codes.size() >= std::numeric_limits<uint32_t>::max() - 8) {
    throw Error("the texts", "have more different words than this model can hold",
                "Set --memory, or give less text.");
  }
  begins.push_back(text.size());
  counts.push_back(count);
  for (char32_t code : codes) text.push_back(code + 1);
  text.push_back(kEnd);
}

std::vector<SeedPiece> seed_pieces(const SpelledWords& words, size_t longest, size_t most) {
  std::map<char32_t, SeedPiece> characters;
  for (size_t w = 0; w < words.begins.size(); ++w) {
    for (size_t i = words.begins[w]; words.text[i] != SpelledWords::kEnd; ++i) {
      const auto place = static_cast<uint32_t>(i);
      SeedPiece& piece =
          characters.try_emplace(words.text[i], SeedPiece{place, 1, 0, {}}).first->second;
      piece.score += static_cast<double>(words.counts[w]);
      piece.all.push_back(place);
    }
  }
  std::vector<SeedPiece> out;
  out.reserve(characters.size());
  for (auto& [code, piece] : characters) out.push_back(std::move(piece));
  std::reverse(out.begin(), out.end());
  std::stable_sort(out.begin(), out.end(),
                   [](const SeedPiece& a, const SeedPiece& b) { return a.score > b.score; });

  const SuffixOrder order(words, longest);
  std::vector<Node> nodes;
  order.each_node([&](const Node& node) {
    const size_t begin = order.place(node.first);
    const bool whole = words.text[begin + node.length - 1] != SpelledWords::kEnd;
    if (node.length > 1 && whole) nodes.push_back(node);
  });
  const auto score = [](const Node& n) { return (n.last - n.first) * uint64_t{n.length}; };
  const auto text = [&](const Node& n) {
    return std::span(words.text).subspan(order.place(n.first), n.length);
  };
  std::sort(nodes.begin(), nodes.end(), [&](const Node& a, const Node& b) {
    if (score(a) != score(b)) return score(a) > score(b);
    const auto x = text(a), y = text(b);
    return std::lexicographical_compare(y.begin(), y.end(), x.begin(), x.end());
  });
  if (out.size() + nodes.size() > most) nodes.resize(most > out.size() ? most - out.size() : 0);
  for (const Node& node : nodes) {
    SeedPiece piece{order.place(node.first), node.length, static_cast<double>(score(node)), {}};
    piece.all.reserve(node.last - node.first);
    for (size_t i = node.first; i < node.last; ++i) piece.all.push_back(order.place(i));
    out.push_back(std::move(piece));
  }
  return out;
}

}  // namespace tessera
