// Dictionaries whose texts are cut into as few tokens as can be, of which the ones that are better
// known: what Less is Better looks ahead for. As a tokenizer.json with a Unigram model that gives
// exactly these cuts, and bytes for what it does not know. Source: Yang, Frank and van den Bosch
// 2020, ACL 2020.cogalex-1.4.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tessera/tokenizer/train/greedy_dictionary.h"

namespace tessera {

// What a cut costs: first its tokens count, then the sum of their ordinals.
struct CutCost {
  int64_t tokens = 0, ordinals = 0;
  auto operator<=>(const CutCost&) const = default;
};

// The plain way to cut: dynamic programming over all cuts.
class FewestTokens {
 public:
  // Tokens by ordinal, the best known first; none twice.
  explicit FewestTokens(std::span<const std::string> tokens);
  // The cut of least cost, as ordinals; empty where `text` cannot be cut. Of equal costs the one
  // whose last token is longer. O(bytes of the text times those of the longest token).
  std::vector<int64_t> cut(std::string_view text) const;
  CutCost cost(std::span<const int64_t> cut) const;

 private:
  std::unordered_map<std::string_view, int64_t> ordinals_;
  size_t longest_ = 0;
};

// The file's text: whole texts, cut by characters. `tokens`: strings of whole characters by
// ordinal, none twice. Their ids follow those of the request's special tokens and of 256 bytes, by
// which characters are written that are no token. Before it is given out the parts of `sample` are
// encoded by it; throws Error where a cut costs more than it must, and where the request names a
// way to cut texts into words.
std::string fewest_text(const std::vector<std::string>& tokens, const TrainingRequest& request,
                        const std::string& unknown, const TextSample& sample);

}  // namespace tessera
