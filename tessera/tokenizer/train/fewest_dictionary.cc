#include "tessera/tokenizer/train/fewest_dictionary.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/train/tokenizer_text.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

// A token weighs as much as so many ordinals: more than two cuts of a text differ by. Sums of
// weights are whole numbers that doubles hold for millions of tokens.
constexpr double kToken = 1 << 30;
constexpr CutCost kNever{std::numeric_limits<int64_t>::max(), 0};  // nothing reaches this place

}  // namespace

FewestTokens::FewestTokens(std::span<const std::string> tokens) {
  for (const std::string& token : tokens) {
    ordinals_.emplace(token, static_cast<int64_t>(ordinals_.size()));
    longest_ = std::max(longest_, token.size());
  }
}

std::vector<int64_t> FewestTokens::cut(std::string_view text) const {
  struct Step {
    CutCost cost = kNever;
    int64_t ordinal = -1;
    size_t begin = 0;
  };
  std::vector<Step> best(text.size() + 1);
  best[0].cost = {};
  for (size_t end = 1; end <= text.size(); ++end) {
    for (size_t begin = end - std::min(end, longest_); begin < end; ++begin) {
      if (best[begin].cost == kNever) continue;
      const auto token = ordinals_.find(text.substr(begin, end - begin));
      if (token == ordinals_.end()) continue;
      const CutCost cost{best[begin].cost.tokens + 1, best[begin].cost.ordinals + token->second};
      if (cost < best[end].cost) best[end] = {cost, token->second, begin};
    }
  }
  std::vector<int64_t> out;
  if (best.back().cost == kNever) return out;
  for (size_t end = text.size(); end > 0; end = best[end].begin) out.push_back(best[end].ordinal);
  std::reverse(out.begin(), out.end());
  return out;
}

CutCost FewestTokens::cost(std::span<const int64_t> cut) const {
  return {static_cast<int64_t>(cut.size()), std::accumulate(cut.begin(), cut.end(), int64_t{0})};
}

std::string fewest_text(const std::vector<std::string>& tokens, const TrainingRequest& request,
                        const std::string& unknown, const TextSample& sample) {
  if (!request.pre_tokenizer.empty() || !request.pattern.empty()) {
    throw Error("encode=fewest", "cuts whole texts, and --pre-tokenizer or --pattern cuts words");
  }
  Json vocab = Json::array();
  int64_t unknown_id = 0;
  // A name is never the better way to cut a text that holds it: "<0x41>" has six characters.
  constexpr double kWorst = -8 * kToken;
  for (const std::string& special : request.specials) {
    if (special == unknown) unknown_id = static_cast<int64_t>(vocab.size());
    vocab.push_back({special, kWorst});
  }
  for (int b = 0; b < 256; ++b) vocab.push_back({fmt::format("<0x{:02X}>", b), kWorst});
  const auto first = static_cast<TokenId>(vocab.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    vocab.push_back({tokens[i], -(kToken + static_cast<double>(i))});
  }
  const Json model = {{"type", "Unigram"},
                      {"unk_id", unknown_id},
                      {"vocab", std::move(vocab)},
                      {"byte_fallback", true}};
  CuttingParts parts;
  parts.normaliser = parts_of(request, "none").normaliser;
  parts.decoder =
      Json({{"type", "Sequence"}, {"decoders", {{{"type", "ByteFallback"}}, {{"type", "Fuse"}}}}})
          .dump();
  std::string text = tokenizer_text(parts, numbered(request.specials), model);
  const auto made = parse_tokenizer_json(text, "the trained vocabulary");
  const FewestTokens plain(tokens);
  std::vector<int64_t> found;
  for (const std::string& part : sample.parts()) {
    const auto wanted = plain.cut(part);
    if (wanted.empty()) continue;  // it has bytes that are no character
    found.clear();
    for (const TokenId id : made->encode_piece(part)) found.push_back(id - first);
    if (plain.cost(found) == plain.cost(wanted)) continue;
    throw Error("the trained vocabulary",
                "does not give the fewest tokens for the text " +
                    Json(part).dump(-1, ' ', false, Json::error_handler_t::replace),
                "Say encode=greedy.");
  }
  return text;
}

}  // namespace tessera
