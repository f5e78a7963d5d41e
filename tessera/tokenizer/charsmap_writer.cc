#include "tessera/tokenizer/charsmap_writer.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>

#include "tessera/base/error.h"
#include "tessera/text/normalise.h"
#include "tessera/text/unicode_tables.h"
#include "tessera/text/utf8.h"

namespace tessera {
namespace {

constexpr size_t kBlock = 256, kLongestRule = 256, kMostUnits = size_t{1} << 21;
// What no byte matches, so that a unit nobody uses leads nowhere.
constexpr uint32_t kUnused = uint32_t{1} << 31;

// Collects nodes from their ends on. A node is known by what follows it, so that equal ends are
// there once.
class MapBuilder {
 public:
  struct Child {
    uint8_t byte;  // 0: a string ends here, and `to` is where its replacement begins
    uint32_t to;   // a node
    bool operator==(const Child&) const = default;
  };

  uint32_t replacement(const std::string& text) {
    const auto [place, added] =
        replacements_.try_emplace(text, static_cast<uint32_t>(text_.size()));
    if (added) text_.append(text).push_back('\0');
    return place->second;
  }
  // Needs ascending bytes.
  uint32_t node(std::vector<Child> children) {
    const auto [place, added] =
        ids_.try_emplace(std::move(children), static_cast<uint32_t>(ids_.size()));
    if (added) nodes_.push_back(&place->first);
    return place->second;
  }

  const std::vector<Child>& children(uint32_t node) const { return *nodes_[node]; }

  // The file's bytes for the map that begins at `root`.
  std::string finish(uint32_t root) {
    add_block();
    taken_[0] = 1;
    --blocks_[0].free;
    // A node whose children lie where it does itself would be refused by the package.
    based_[0] = 1;
    // Only what can be reached is placed; parents have greater numbers than their children.
    std::vector<bool> reached(nodes_.size());
    reached[root] = true;
    std::vector<uint32_t> bases(nodes_.size());
    for (size_t i = root + 1; i-- > 0;) {
      if (!reached[i]) continue;
      bases[i] = place(*nodes_[i]);
      for (const Child& child : *nodes_[i]) {
        if (child.byte != 0) reached[child.to] = true;
      }
    }
    const auto unit = [&](uint32_t at, uint32_t to) {
      const bool ends = nodes_[to]->front().byte == 0;
      return (at ^ bases[to]) << 10 | (ends ? 1U << 8 : 0U);
    };
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (!reached[i]) continue;
      for (const Child& child : *nodes_[i]) {
        const uint32_t at = bases[i] ^ child.byte;
        units_[at] = child.byte == 0 ? 1U << 31 | child.to : unit(at, child.to) | child.byte;
      }
    }
    units_[0] = unit(0, root);
    const auto size = static_cast<uint32_t>(sizeof(uint32_t) * units_.size());
    std::string out(sizeof size, '\0');
    std::memcpy(out.data(), &size, sizeof size);
    out.append(reinterpret_cast<const char*>(units_.data()), size);
    return out + text_;
  }

 private:
  // A base of its own under which the places of all children are free. Blocks that had no room
  // for several nodes are not asked again.
  uint32_t place(const std::vector<Child>& children) {
    constexpr int kMostMisses = 16;
    for (size_t block = 0; block < blocks_.size(); ++block) {
      Block& b = blocks_[block];
      if (b.free < children.size() || b.misses >= kMostMisses) continue;
      for (size_t at = block * kBlock; at < (block + 1) * kBlock; ++at) {
        if (taken_[at]) continue;
        const size_t base = at ^ children.front().byte;
        const auto free = [&](const Child& child) { return !taken_[base ^ child.byte]; };
        if (based_[base] || !std::all_of(children.begin(), children.end(), free)) continue;
        based_[base] = true;
        b.free -= children.size();
        for (const Child& child : children) taken_[base ^ child.byte] = true;
        return static_cast<uint32_t>(base);
      }
      ++b.misses;
    }
    if (units_.size() >= kMostUnits) {
      throw Error("a map of strings", "gets too large", "Give fewer strings.");
    }
    add_block();
    return place(children);
  }
  void add_block() {
    blocks_.emplace_back();
    units_.resize(units_.size() + kBlock, kUnused);
    taken_.resize(units_.size());
    based_.resize(units_.size());
  }

  struct Block {
    size_t free = kBlock;
    int misses = 0;
  };
  std::vector<Block> blocks_;
  struct Hash {
    size_t operator()(const std::vector<Child>& children) const {
      uint64_t hash = children.size();
      for (const Child& child : children) {
        hash = (hash ^ (uint64_t{child.to} << 8 | child.byte)) * 0x9E3779B97F4A7C15;
        hash ^= hash >> 29;
      }
      return static_cast<size_t>(hash);
    }
  };
  std::unordered_map<std::vector<Child>, uint32_t, Hash> ids_;
  std::vector<const std::vector<Child>*> nodes_;
  std::unordered_map<std::string, uint32_t> replacements_;
  std::string text_;
  std::vector<uint32_t> units_;
  std::vector<uint8_t> taken_, based_;  // by unit
};

// A node for the strings [begin, end) from byte `depth` on; they are sorted and different, and
// leaf(i) is the node at the end of string i. Needs that none begins with another one.
template <class Strings, class Leaf>
uint32_t branch(MapBuilder& out, const Strings& strings, size_t begin, size_t end, size_t depth,
                const Leaf& leaf) {
  if (strings[begin].first.size() == depth) return leaf(begin);
  std::vector<MapBuilder::Child> children;
  while (begin < end) {
    const char byte = strings[begin].first[depth];
    size_t same = begin;
    while (same < end && strings[same].first[depth] == byte) ++same;
    children.push_back(
        {static_cast<uint8_t>(byte), branch(out, strings, begin, same, depth + 1, leaf)});
    begin = same;
  }
  return out.node(std::move(children));
}

using Text = std::u32string;

std::string bytes_of(const Text& text) {
  std::string out;
  for (char32_t code : text) append_unit(out, code);
  return out;
}

Text form_of(const Text& text, NormalForm form) {
  const std::string bytes = normalise(bytes_of(text), form);
  Text out;
  for (size_t i = 0; i < bytes.size();) {
    const Unit u = unit_at(bytes, i);
    out += u.code;
    i += u.length;
  }
  return out;
}

// What compatible composition does to a text, as rules of which the longest that fits is applied
// again and again. A rule of several characters stands for all texts whose characters decompose to
// its own: its first string is the decomposition.
class Composition {
 public:
  Composition() {
    constexpr char32_t kHangul = 0xAC00, kHangulEnd = 0xD7A4;
    for (const auto& m : unicode::canonical_table()) add(m.from);
    for (const auto& m : unicode::compatible_table()) add(m.from);
    for (char32_t c = kHangul; c < kHangulEnd; ++c) add(c);
    // What shorter rules do already is no rule.
    std::vector<Text> sequences(decomposed_.begin(), decomposed_.end());
    std::stable_sort(sequences.begin(), sequences.end(),
                     [](const Text& a, const Text& b) { return a.size() < b.size(); });
    for (const Text& sequence : sequences) {
      Text composed = form_of(sequence, NormalForm::nfkc);
      if (composed == sequence || composed == applied(sequence)) continue;
      several.emplace(sequence, std::move(composed));
    }
  }

  std::map<char32_t, Text> single;
  std::map<Text, Text> several;
  // The characters that decompose to this one alone, which is not among them.
  std::map<char32_t, std::vector<char32_t>> variants;

 private:
  void add(char32_t code) {
    const Text text(1, code);
    const Text composed = form_of(text, NormalForm::nfkc);
    if (composed != text) single[code] = composed;
    const Text parts = form_of(text, NormalForm::nfkd);
    if (parts.size() > 1) {
      decomposed_.insert(parts);
    } else if (parts != text) {
      auto& others = variants[parts[0]];
      if (std::find(others.begin(), others.end(), code) == others.end()) others.push_back(code);
    }
  }
  Text applied(const Text& text) const {
    Text out;
    for (size_t i = 0; i < text.size();) {
      size_t n = std::min<size_t>(text.size() - i, text.size() - 1);
      while (n > 1 && !several.contains(text.substr(i, n))) --n;
      if (n > 1) {
        out += several.at(text.substr(i, n));
      } else if (const auto rule = single.find(text[i]); rule != single.end()) {
        out += rule->second;
      } else {
        out += text[i];
      }
      i += std::max<size_t>(n, 1);
    }
    return out;
  }

  std::set<Text> decomposed_;
};

// Writes rules; those of several characters as a trie over characters, whose variants share what
// follows them.
class CompositionWriter {
 public:
  CompositionWriter(const Composition& rules, const std::map<char32_t, Text>& single)
      : rules_(rules), single_(single) {}

  std::string write() {
    for (const auto& [text, to] : rules_.several) sequences_.emplace_back(text, to);
    return out_.finish(level(0, sequences_.size(), 0));
  }

 private:
  struct Leaf {
    char32_t code;
    size_t begin, end;  // sequences that begin with it
  };
  uint32_t level(size_t begin, size_t end, size_t depth) {
    std::vector<std::pair<std::string, Leaf>> leaves;
    std::set<char32_t> done;
    while (begin < end) {
      const char32_t code = sequences_[begin].first[depth];
      size_t same = begin;
      while (same < end && sequences_[same].first[depth] == code) ++same;
      const auto add = [&](char32_t c) {
        done.insert(c);
        leaves.emplace_back(bytes_of(Text(1, c)), Leaf{c, begin, same});
      };
      add(code);
      if (const auto more = rules_.variants.find(code); more != rules_.variants.end()) {
        for (char32_t c : more->second) add(c);
      }
      begin = same;
    }
    if (depth == 0) {
      for (const auto& [code, to] : single_) {
        if (!done.contains(code)) leaves.emplace_back(bytes_of(Text(1, code)), Leaf{code, 0, 0});
      }
    }
    std::sort(leaves.begin(), leaves.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    return branch(out_, leaves, 0, leaves.size(), 0,
                  [&](size_t i) { return end_of(leaves[i].second, depth + 1); });
  }
  // What stands behind a character: the end of the text so far, if it is a rule, and more.
  uint32_t end_of(const Leaf& leaf, size_t depth) {
    size_t begin = leaf.begin;
    std::optional<uint32_t> value;
    if (depth == 1) {
      if (const auto rule = single_.find(leaf.code); rule != single_.end()) {
        value = out_.replacement(bytes_of(rule->second));
      }
    } else if (sequences_[begin].first.size() == depth) {
      value = out_.replacement(bytes_of(sequences_[begin++].second));
    }
    std::vector<MapBuilder::Child> children;
    if (value) children.push_back({0, *value});
    if (begin < leaf.end) {
      const uint32_t more = level(begin, leaf.end, depth);
      const auto& following = out_.children(more);
      children.insert(children.end(), following.begin(), following.end());
    }
    return out_.node(std::move(children));
  }

  const Composition& rules_;
  const std::map<char32_t, Text>& single_;
  std::vector<std::pair<Text, Text>> sequences_;
  MapBuilder out_;
};

}  // namespace

std::string write_charsmap(std::vector<std::pair<std::string, std::string>> strings) {
  std::map<std::string, std::string> sorted;
  for (auto& [text, to] : strings) {
    if (text.empty() || text.size() > kLongestRule || (text + to).find('\0') != std::string::npos) {
      throw Error("a map of strings", "holds one that is empty, too long or has a zero byte");
    }
    sorted.insert_or_assign(std::move(text), std::move(to));
  }
  if (sorted.empty()) throw Error("a map of strings", "holds none");
  MapBuilder out;
  struct Node {
    std::map<unsigned char, std::unique_ptr<Node>> next;
    const std::string* to = nullptr;
  };
  Node root;
  for (const auto& [text, to] : sorted) {
    Node* at = &root;
    for (char c : text) {
      auto& child = at->next[static_cast<unsigned char>(c)];
      if (!child) child = std::make_unique<Node>();
      at = child.get();
    }
    at->to = &to;
  }
  const std::function<uint32_t(const Node&)> node_of = [&](const Node& node) {
    std::vector<MapBuilder::Child> children;
    if (node.to) children.push_back({0, out.replacement(*node.to)});
    for (const auto& [byte, child] : node.next) children.push_back({byte, node_of(*child)});
    return out.node(std::move(children));
  };
  return out.finish(node_of(root));
}

const std::string& sentence_piece_map(std::string_view name) {
  static const std::string none;
  if (name == "identity") return none;
  static const Composition rules;
  if (name == "nfkc") {
    static const std::string map = CompositionWriter(rules, rules.single).write();
    return map;
  }
  if (name != "nmt_nfkc") {
    throw Error("normalisation \"" + std::string(name) + "\"",
                "is not known; there are nmt_nfkc, nfkc, identity");
  }
  static const std::string map = [] {
    std::map<char32_t, Text> single = rules.single;
    for (char32_t c = 1; c < 0x20; ++c) single[c] = {};
    for (char32_t c : {0x7F, 0x8F, 0x9F}) single[c] = {};
    for (char32_t c : {0x09, 0x0A, 0x0C, 0x0D, 0x61C, 0x1680, 0x200B, 0x200C, 0x200E, 0x200F,
                       0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD}) {
      single[c] = U" ";
    }
    single.erase(0xFF5E);  // Japanese uses both tildes, for different things.
    return CompositionWriter(rules, single).write();
  }();
  return map;
}

}  // namespace tessera
