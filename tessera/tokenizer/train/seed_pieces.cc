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

// The first byte of what a symbol stands for.
uint32_t lead_of(char32_t symbol) {
  if (symbol == SpelledWords::kEnd) return 0;
  const bool followed = symbol >= SpelledWords::kFollowed;
  const char32_t code = followed ? symbol - SpelledWords::kFollowed : symbol - 1;
  if (code < 0x80) return code;
  if (code < 0x800) return 0xC0 | code >> 6;
  return code < 0x10000 ? 0xE0 | code >> 12 : 0xF0 | code >> 18;
}

// A range of sorted suffixes that begin with the same `length` characters, and no longer ones.
struct Node {
  size_t first, last;
  uint32_t length;
  uint64_t score = 0;
};

class SuffixOrder {
 public:
  SuffixOrder(const SpelledWords& words, size_t longest) : text_(words.text), longest_(longest) {
    // Three characters are read at once.
    text_.insert(text_.end(), 6, SpelledWords::kEnd);
    for (size_t i = 0; i < words.text.size(); ++i) {
      if (SpelledWords::ends(text_[i])) continue;
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
  // Whether different bytes stand behind the node's string: first those of characters of its words,
  // then those of characters behind them, both ascending.
  bool parts_bytes(const Node& node) const {
    const auto behind = [&](size_t i) { return text_[suffixes_[i].place + node.length]; };
    const uint32_t lead = lead_of(behind(node.first));
    if (lead_of(behind(node.last - 1)) != lead) return true;
    size_t low = node.first, high = node.last;
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      if (behind(middle) < SpelledWords::kFollowed) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return (low > node.first && lead_of(behind(low - 1)) != lead) ||
           (low < node.last && lead_of(behind(low)) != lead);
  }
  uint32_t place(size_t i) const { return suffixes_[i].place; }
  size_t size() const { return suffixes_.size(); }

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

void SpelledWords::add(std::span<const char32_t> codes, int64_t count, char32_t followed) {
  if (codes.empty()) return;
  if (text.size() + codes.size() >= std::numeric_limits<uint32_t>::max() - 8) {
    throw Error("the texts", "have more different words than this model can hold",
                "Set --memory, or give less text.");
  }
  begins.push_back(text.size());
  counts.push_back(count);
  for (char32_t code : codes) text.push_back(code + 1);
  if (followed != kEnd) text.push_back(followed);
  text.push_back(kEnd);
}

std::vector<SeedPiece> seed_pieces(const SpelledWords& words, size_t longest, size_t most,
                                   const SeedRules& rules) {
  std::vector<char32_t> codes;
  const auto allowed = [&](size_t begin, size_t length) {
    if (!rules.allowed) return true;
    codes.clear();
    for (size_t i = 0; i < length; ++i) codes.push_back(words.text[begin + i] - 1);
    return rules.allowed(codes);
  };
  std::map<char32_t, SeedPiece> characters;
  for (size_t w = 0; w < words.begins.size(); ++w) {
    for (size_t i = words.begins[w]; !SpelledWords::ends(words.text[i]); ++i) {
      const auto place = static_cast<uint32_t>(i);
      SeedPiece& piece =
          characters.try_emplace(words.text[i], SeedPiece{place, 1, 0, {}}).first->second;
      piece.score += static_cast<double>(words.counts[w]);
      piece.all.push_back(place);
    }
  }
  std::vector<SeedPiece> out;
  out.reserve(characters.size());
  for (auto& [code, piece] : characters) {
    if (allowed(piece.begin, 1)) out.push_back(std::move(piece));
  }
  std::reverse(out.begin(), out.end());
  std::stable_sort(out.begin(), out.end(),
                   [](const SeedPiece& a, const SeedPiece& b) { return a.score > b.score; });

  const SuffixOrder order(words, longest);
  // Occurrences in all suffixes in front of one.
  std::vector<int64_t> before;
  if (rules.by_count) {
    std::vector<int64_t> counts(words.text.size());
    for (size_t w = 0; w < words.begins.size(); ++w) {
      const size_t end = w + 1 < words.begins.size() ? words.begins[w + 1] : counts.size();
      std::fill(counts.begin() + static_cast<std::ptrdiff_t>(words.begins[w]),
                counts.begin() + static_cast<std::ptrdiff_t>(end), words.counts[w]);
    }
    before.resize(order.size() + 1);
    for (size_t i = 0; i < order.size(); ++i) before[i + 1] = before[i] + counts[order.place(i)];
  }
  std::vector<Node> nodes;
  order.each_node([&](Node node) {
    const size_t begin = order.place(node.first);
    if (node.length < 2 || SpelledWords::ends(words.text[begin + node.length - 1])) return;
    if (rules.by_bytes && !order.parts_bytes(node)) return;
    if (!allowed(begin, node.length)) return;
    const uint64_t occurrences = rules.by_count
                                     ? static_cast<uint64_t>(before[node.last] - before[node.first])
                                     : node.last - node.first;
    node.score = occurrences * node.length;
    nodes.push_back(node);
  });
  const auto text = [&](const Node& n) {
    return std::span(words.text).subspan(order.place(n.first), n.length);
  };
  std::sort(nodes.begin(), nodes.end(), [&](const Node& a, const Node& b) {
    if (a.score != b.score) return a.score > b.score;
    const auto x = text(a), y = text(b);
    return std::lexicographical_compare(y.begin(), y.end(), x.begin(), x.end());
  });
  if (out.size() + nodes.size() > most) nodes.resize(most > out.size() ? most - out.size() : 0);
  for (const Node& node : nodes) {
    SeedPiece piece{order.place(node.first), node.length, static_cast<double>(node.score), {}};
    piece.all.reserve(node.last - node.first);
    for (size_t i = node.first; i < node.last; ++i) piece.all.push_back(order.place(i));
    out.push_back(std::move(piece));
  }
  return out;
}

}  // namespace tessera
