#include "tessera/tokenizer/compare.h"

#include <algorithm>
#include <utility>

namespace tessera {
namespace {

constexpr size_t kMostWords = 1000000, kLongestWord = 100, kShown = 80;
constexpr std::string_view kSpaces = " \t\r\n\v\f";

constexpr EncodeOptions kContent{.add_template = false};

std::unordered_set<std::string_view> byte_strings(const Vocabulary& vocabulary) {
  std::unordered_set<std::string_view> out;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    if (!vocabulary.bytes(id).empty()) out.insert(vocabulary.bytes(id));
  }
  return out;
}

bool same(const Vocabulary& a, const Vocabulary& b) {
  if (a.size() != b.size()) return false;
  for (TokenId id = 0; id < a.size(); ++id) {
    if (a.bytes(id) != b.bytes(id) || a.role(id) != b.role(id)) return false;
  }
  return true;
}

}  // namespace

TokenizerComparer::TokenizerComparer(std::shared_ptr<const Tokenizer> a,
                                     std::shared_ptr<const Tokenizer> b)
    : a_(std::move(a)), b_(std::move(b)) {
  out_.a.size = a_->vocabulary().size();
  out_.b.size = b_->vocabulary().size();
  out_.same_vocabulary = same(a_->vocabulary(), b_->vocabulary());
  const auto theirs = byte_strings(b_->vocabulary());
  for (std::string_view bytes : byte_strings(a_->vocabulary())) {
    if (theirs.contains(bytes)) shared_.insert(bytes);
  }
  out_.shared = static_cast<int64_t>(shared_.size());
}

std::vector<TokenId> TokenizerComparer::add_to(const Tokenizer& tokenizer, std::string_view text,
                                               ComparedSide& side) const {
  std::vector<TokenId> ids = tokenizer.encode(text, kContent).ids;
  side.tokens += static_cast<int64_t>(ids.size());
  for (TokenId id : ids) side.shared_tokens += shared_.contains(tokenizer.vocabulary().bytes(id));
  const std::string back = tokenizer.decode(ids);
  if (back == text || !side.round_trips) return ids;
  const auto lost = std::mismatch(text.begin(), text.end(), back.begin(), back.end()).first;
  const auto at = static_cast<size_t>(lost - text.begin());
  side.round_trips = false;
  side.first_lost = out_.bytes + static_cast<int64_t>(at);
  side.lost_text = text.substr(at, kShown);
  return ids;
}

void TokenizerComparer::add(std::string_view text) {
  const auto ids_a = add_to(*a_, text, out_.a), ids_b = add_to(*b_, text, out_.b);
  if (out_.same_ids && ids_a != ids_b) {
    out_.same_ids = false;
    out_.first_difference = text.substr(0, kShown);
  }
  ++out_.texts;
  out_.bytes += static_cast<int64_t>(text.size());
  while (true) {
    const size_t begin = text.find_first_not_of(kSpaces);
    if (begin == std::string_view::npos) return;
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(kSpaces));
    text.remove_prefix(word.size());
    if (word.size() > kLongestWord) continue;
    std::string key(word);
    auto it = words_.find(key);
    if (it == words_.end() && words_.size() < kMostWords) {
      it = words_.emplace(std::move(key), 0).first;
    }
    if (it != words_.end()) ++it->second;
  }
}

std::vector<CostlyWord> TokenizerComparer::costliest(const Tokenizer& tokenizer,
                                                     size_t most) const {
  std::vector<CostlyWord> all;
  all.reserve(words_.size());
  const std::string kFront = "a ";
  const int64_t front = tokenizer.count("a", kContent);
  for (const auto& [word, times] : words_) {
    all.push_back({word, times, tokenizer.count(kFront + word, kContent) - front});
  }
  most = std::min(most, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<ptrdiff_t>(most), all.end(),
                    [](const CostlyWord& a, const CostlyWord& b) {
                      const int64_t x = a.times * (a.tokens - 1), y = b.times * (b.tokens - 1);
                      return x != y ? x > y : a.word < b.word;
                    });
  all.resize(most);
  return all;
}

TokenizerComparison TokenizerComparer::finish(size_t most) {
  out_.a.costliest = costliest(*a_, most);
  out_.b.costliest = costliest(*b_, most);
  return out_;
}

}  // namespace tessera
