#include "tessera/tokenizer/charsmap.h"

#include <algorithm>
#include <cstring>

#include "tessera/base/error.h"

namespace tessera {
namespace {

// A unit is a node, or the value of the node before it.
uint32_t label(uint32_t unit) { return unit & 0x800000FFU; }
bool has_value(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t offset(uint32_t unit) { return (unit >> 10) << ((unit & 0x200U) >> 6); }
// Longer strings are no one's; they would only make looking them up slow.
constexpr size_t kLongest = 256;

uint32_t value(uint32_t unit) { return unit & 0x7FFFFFFFU; }

}  // namespace

Charsmap::Charsmap(std::string_view bytes, const std::string& where) {
  auto fail = [&](size_t byte, const std::string& what) {
    throw Error(where + ": byte " + std::to_string(byte), what,
                "The map is damaged: get the file again.");
  };
  uint32_t size = 0;
  if (bytes.size() < sizeof size) fail(0, "a map of strings is too short for its size");
  std::memcpy(&size, bytes.data(), sizeof size);
  bytes.remove_prefix(sizeof size);
  if (size == 0 || size % sizeof(uint32_t) != 0 || size >= bytes.size()) {
    fail(0, "a map's trie has " + std::to_string(size) + " bytes of the " +
                std::to_string(bytes.size()) + " that follow");
  }
  units_.resize(size / sizeof(uint32_t));
  std::memcpy(units_.data(), bytes.data(), size);
  text_ = bytes.substr(size);
  if (text_.back() != '\0') fail(sizeof size + bytes.size(), "the last replacement has no end");
  check(where);
}

// Nodes may be shared: what is wrong is a way back to a node on the way, and a way too long.
void Charsmap::check(const std::string& where) const {
  auto fail = [&](size_t unit, const std::string& what) {
    throw Error(where + ": byte " + std::to_string(sizeof(uint32_t) * (unit + 1)), what,
                "The map is damaged: get the file again.");
  };
  // A unit can be a child of but one place; all children of a place, one after another.
  const auto count = static_cast<uint32_t>(units_.size());
  const auto parent_of = [&](uint32_t unit) {
    const uint32_t byte = label(units_[unit]), place = unit ^ byte;
    return unit != 0 && byte != 0 && byte < 256 && place < count ? place : count;
  };
  std::vector<uint32_t> firsts(count + 2), all(count);
  for (uint32_t unit = 0; unit < count; ++unit) ++firsts[parent_of(unit) + 1];
  for (uint32_t place = 1; place <= count + 1; ++place) firsts[place] += firsts[place - 1];
  {
    std::vector<uint32_t> next(firsts.begin(), firsts.end() - 1);
    for (uint32_t unit = 0; unit < count; ++unit) all[next[parent_of(unit)]++] = unit;
  }
  // The way from the root to a node, with the children that are still to be looked at.
  struct Step {
    uint32_t node, next, end;
  };
  std::vector<Step> way;
  enum : uint8_t { kNew, kOnWay, kDone };
  std::vector<uint8_t> state(units_.size(), kNew);
  auto enter = [&](uint32_t node) {
    const uint32_t unit = units_[node];
    const uint32_t children = node ^ offset(unit);
    if (children >= units_.size()) fail(node, "a node's children lie outside of the trie");
    if (node != 0 && has_value(unit) && value(units_[children]) >= text_.size()) {
      fail(children, "a replacement begins outside of the text of replacements");
    }
    if (way.size() > kLongest) fail(node, "a string of the map has more than 256 bytes");
    state[node] = kOnWay;
    way.push_back({node, firsts[children], firsts[children + 1]});
  };
  enter(0);
  while (!way.empty()) {
    Step& step = way.back();
    if (step.next == step.end) {
      state[step.node] = kDone;
      way.pop_back();
      continue;
    }
    const uint32_t child = all[step.next++];
    if (state[child] == kOnWay) fail(child, "a way through the map leads back here: it is cyclic");
    if (state[child] == kNew) enter(child);
  }
}

bool Charsmap::begins(std::string_view text) const {
  uint32_t node = offset(units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || label(units_[node]) != byte) return false;
    node ^= offset(units_[node]);
  }
  return true;
}

Charsmap::Match Charsmap::find(std::string_view text, bool first) const {
  Match found;
  uint32_t node = offset(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || label(units_[node]) != byte) break;
    const uint32_t unit = units_[node];
    node ^= offset(unit);
    if (!has_value(unit)) continue;
    const char* replacement = text_.data() + value(units_[node]);
    found = {i + 1, std::string_view(replacement)};
    if (first) break;
  }
  return found;
}

}  // namespace tessera
