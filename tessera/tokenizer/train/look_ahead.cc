#include "tessera/tokenizer/train/look_ahead.h"

#include <algorithm>
#include <tuple>

#include "tessera/text/utf8.h"

namespace tessera {
namespace {

std::u32string characters(std::string_view text) {
  std::u32string out;
  for (size_t at = 0; at < text.size();) {
    const Unit u = unit_at(text, at);
    out += u.code;
    at += u.length;
  }
  return out;
}

}  // namespace

LookAhead::LookAhead(std::span<const std::string> tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::u32string token = characters(tokens[i]);
    trie_.set(token, static_cast<int32_t>(i));
    longest_ = std::max(longest_, token.size());
  }
}

void LookAhead::lead(std::u32string_view text, Way& way) const {
  const auto found = trie_.match(text.substr(way.at, longest_));
  if (found.longest < 0) {
    ++way.unknown;
    ++way.at;
    return;
  }
  ++way.tokens;
  way.ordinals += found.longest;
  way.at += found.length;
}

std::vector<int64_t> LookAhead::cut(std::string_view bytes) const {
  const std::u32string all = characters(bytes);
  const std::u32string_view text = all;
  std::vector<int64_t> out;
  for (size_t at = 0; at < text.size();) {
    const auto found = trie_.match(text.substr(at, longest_));
    if (found.longest < 0) {
      out.push_back(-1);
      ++at;
      continue;
    }
    bool shorter = false;
    if (found.second >= 0) {
      Way main{at + found.length, 0, 1, found.longest};
      Way other{at + found.second_length, 0, 1, found.second};
      while (main.at != other.at) lead(text, main.at < other.at ? main : other);
      shorter = std::tie(main.unknown, main.tokens, main.ordinals) >
                std::tie(other.unknown, other.tokens, other.ordinals);
    }
    out.push_back(shorter ? found.second : found.longest);
    at += shorter ? found.second_length : found.length;
  }
  return out;
}

}  // namespace tessera
