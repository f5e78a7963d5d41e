#include "tessera/eval/text_models.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/text/utf8.h"

namespace tessera {
namespace {

constexpr size_t kHighestOrder = 8;
constexpr EncodeOptions kContent{.add_template = false};

// Where each character begins, and the end.
std::vector<size_t> starts_of(std::string_view text) {
  std::vector<size_t> out;
  for (size_t i = 0; i < text.size(); i += unit_at(text, i).length) out.push_back(i);
  out.push_back(text.size());
  return out;
}

}  // namespace

CharacterModel::CharacterModel(size_t order) : order_(order) {
  if (order < 1 || order > kHighestOrder) {
    throw Error("a model of characters",
                fmt::format("has order {}; 1 to {} work", order, kHighestOrder));
  }
}

void CharacterModel::learn(std::string_view text) {
  const std::vector<size_t> at = starts_of(text);
  for (size_t i = 0; i + 1 < at.size(); ++i) {
    const char32_t code = unit_at(text, at[i]).code;
    for (size_t n = 0; n < order_ && n <= i; ++n) {
      Context& context = contexts_[std::string(text.substr(at[i - n], at[i] - at[i - n]))];
      ++context.total;
      ++context.next[code];
    }
  }
}

double CharacterModel::loss(std::string_view text) const {
  const auto root = contexts_.find("");
  const double characters =
      root == contexts_.end() ? 0 : static_cast<double>(root->second.next.size());
  const std::vector<size_t> at = starts_of(text);
  double nats = 0;
  for (size_t i = 0; i + 1 < at.size(); ++i) {
    const char32_t code = unit_at(text, at[i]).code;
    double chance = 1 / (characters + 1);
    for (size_t n = 0; n < order_ && n <= i; ++n) {
      const auto it = contexts_.find(std::string(text.substr(at[i - n], at[i] - at[i - n])));
      if (it == contexts_.end()) break;
      const auto seen = it->second.next.find(code);
      const auto times = static_cast<double>(seen == it->second.next.end() ? 0 : seen->second);
      const auto kinds = static_cast<double>(it->second.next.size());
      chance = (times + kinds * chance) / (static_cast<double>(it->second.total) + kinds);
    }
    nats -= std::log(chance);
  }
  return nats;
}

TokenLoss token_loss(const Tokenizer& tokenizer, const std::vector<std::string>& training,
                     const std::vector<std::string>& test) {
  std::array<bool, 256> found{};
  for (const std::string& text : training) {
    for (const char c : text) found[static_cast<unsigned char>(c)] = true;
  }
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  std::set<std::string_view> entries;
  std::vector<TokenId> ids;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    const std::string_view bytes = vocabulary.bytes(id);
    const TokenRole role = vocabulary.role(id);
    if (bytes.empty() || role == TokenRole::control || role == TokenRole::unknown) continue;
    if (std::all_of(bytes.begin(), bytes.end(),
                    [&](char c) { return found[static_cast<unsigned char>(c)]; })) {
      entries.insert(bytes);
      ids.push_back(id);
    }
  }
  const auto size = static_cast<size_t>(vocabulary.size());
  std::vector<int64_t> counts(size), used(size);
  struct Behind {
    int64_t total = 0, kinds = 0;
  };
  std::vector<Behind> behind(size);
  std::unordered_map<uint64_t, int64_t> pairs;
  const auto pair_of = [](TokenId a, TokenId b) {
    return static_cast<uint64_t>(static_cast<uint32_t>(a)) << 32 | static_cast<uint32_t>(b);
  };
  int64_t all = 0;
  for (const std::string& text : training) {
    const std::vector<TokenId> encoded = tokenizer.encode(text, kContent).ids;
    for (size_t i = 0; i < encoded.size(); ++i) {
      ++counts[static_cast<size_t>(encoded[i])];
      ++all;
      if (i == 0) continue;
      Behind& b = behind[static_cast<size_t>(encoded[i - 1])];
      b.kinds += ++pairs[pair_of(encoded[i - 1], encoded[i])] == 1;
      ++b.total;
    }
  }
  TokenLoss out;
  out.entries = static_cast<int64_t>(entries.size());
  const double whole = static_cast<double>(all) + 0.5 * static_cast<double>(ids.size());
  const auto chance = [&](TokenId id) {
    return (static_cast<double>(counts[static_cast<size_t>(id)]) + 0.5) / whole;
  };
  int64_t characters = 0;
  for (const std::string& text : test) {
    for (size_t i = 0; i < text.size(); i += unit_at(text, i).length) ++characters;
    const std::vector<TokenId> encoded = tokenizer.encode(text, kContent).ids;
    out.tokens += static_cast<int64_t>(encoded.size());
    for (size_t i = 0; i < encoded.size(); ++i) {
      const TokenId id = encoded[i];
      ++used[static_cast<size_t>(id)];
      const double single = chance(id);
      out.unigram -= std::log(single);
      double mixed = single;
      if (i > 0) {
        const Behind& b = behind[static_cast<size_t>(encoded[i - 1])];
        const auto it = pairs.find(pair_of(encoded[i - 1], id));
        if (b.total > 0) {
          const auto kinds = static_cast<double>(b.kinds);
          mixed = (static_cast<double>(it == pairs.end() ? 0 : it->second) + kinds * single) /
                  (static_cast<double>(b.total) + kinds);
        }
      }
      out.bigram -= std::log(mixed);
    }
  }
  if (characters == 0 || out.tokens == 0) {
    throw Error("the loss of tokens", "has no text to be measured on");
  }
  out.unigram /= static_cast<double>(characters);
  out.bigram /= static_cast<double>(characters);
  out.characters_per_token = static_cast<double>(characters) / static_cast<double>(out.tokens);
  int64_t idle = 0;
  for (const TokenId id : ids) {
    idle += used[static_cast<size_t>(id)] == 0;
    const std::string_view bytes = vocabulary.bytes(id);
    const auto longer = entries.upper_bound(bytes);
    if (longer != entries.end() && longer->starts_with(bytes)) continue;
    out.heaviest = std::max(out.heaviest, chance(id) * static_cast<double>(entries.size()));
  }
  out.unused = ids.empty() ? 0 : static_cast<double>(idle) / static_cast<double>(ids.size());
  return out;
}

}  // namespace tessera
