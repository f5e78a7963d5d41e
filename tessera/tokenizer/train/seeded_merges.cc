#include "tessera/tokenizer/train/seeded_merges.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "tessera/text/utf8.h"

namespace tessera {
namespace {

class Seeding {
 public:
  explicit Seeding(LearnedBytePairs& pairs) : pairs_(pairs) {
    for (size_t id = 0; id < pairs.tokens.size(); ++id) {
      ids_.emplace(pairs.tokens[id], static_cast<uint32_t>(id));
    }
    for (size_t rank = 0; rank < pairs.merges.size(); ++rank) {
      ranks_.emplace(key(pairs.merges[rank].left, pairs.merges[rank].right), rank);
    }
  }

  // False where a symbol is no token.
  bool add(std::string_view word, Reading reading) {
    std::vector<uint32_t> tokens;
    for (size_t at = 0; at < word.size();) {
      Unit u{byte_level_character(static_cast<unsigned char>(word[at])), 1};
      if (reading == Reading::utf8) u = unit_at(word, at);
      std::string text;
      append_unit(text, u.code);
      const auto known = ids_.find(text);
      if (known == ids_.end()) return false;
      tokens.push_back(known->second);
      at += u.length;
    }
    while (const auto at = best(tokens)) join(tokens, *at);
    while (tokens.size() > 1) {
      const size_t at = to_join(tokens);
      make(tokens[at], tokens[at + 1]);
      join(tokens, at);
    }
    return true;
  }

 private:
  static uint64_t key(uint32_t left, uint32_t right) { return uint64_t{left} << 32 | right; }

  // Where the merge of the lowest rank applies first.
  std::optional<size_t> best(const std::vector<uint32_t>& tokens) const {
    std::optional<size_t> out;
    size_t least = pairs_.merges.size();
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      const auto rank = ranks_.find(key(tokens[i], tokens[i + 1]));
      if (rank == ranks_.end() || rank->second >= least) continue;
      least = rank->second;
      out = i;
    }
    return out;
  }
  void join(std::vector<uint32_t>& tokens, size_t at) const {
    tokens[at] = pairs_.merges[ranks_.at(key(tokens[at], tokens[at + 1]))].id;
    tokens.erase(tokens.begin() + static_cast<int64_t>(at) + 1);
  }
  // Rather a pair whose text is a token already than the first.
  size_t to_join(const std::vector<uint32_t>& tokens) const {
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      if (ids_.contains(pairs_.tokens[tokens[i]] + pairs_.tokens[tokens[i + 1]])) return i;
    }
    return 0;
  }
  void make(uint32_t left, uint32_t right) {
    std::string text = pairs_.tokens[left] + pairs_.tokens[right];
    const auto [place, added] = ids_.try_emplace(text, static_cast<uint32_t>(pairs_.tokens.size()));
    if (added) pairs_.tokens.push_back(std::move(text));
    ranks_.emplace(key(left, right), pairs_.merges.size());
    pairs_.merges.push_back({left, right, place->second});
  }

  LearnedBytePairs& pairs_;
  std::unordered_map<std::string, uint32_t> ids_;
  std::unordered_map<uint64_t, size_t> ranks_;
};

}  // namespace

std::vector<std::string> add_seeded_merges(std::span<const std::string> words, Reading reading,
                                           LearnedBytePairs& pairs) {
  std::vector<std::string_view> sorted(words.begin(), words.end());
  std::sort(sorted.begin(), sorted.end(), [](std::string_view a, std::string_view b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  Seeding seeding(pairs);
  std::vector<std::string> out;
  for (const std::string_view word : sorted) {
    if (!seeding.add(word, reading)) out.emplace_back(word);
  }
  return out;
}

}  // namespace tessera
