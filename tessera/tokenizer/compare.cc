#include "tessera/tokenizer/compare.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tessera/text/utf8.h"

namespace tessera {
namespace {

constexpr size_t kMostWords = 1000000, kLongestWord = 100, kShown = 80;
constexpr size_t kLengths = 17;  // bytes of a token that a histogram tells apart, and longer ones
constexpr double kOrder = 2.5;
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

double renyi_efficiency(std::span<const int64_t> counts, double order) {
  double all = 0, sum = 0;
  for (int64_t n : counts) all += static_cast<double>(n);
  if (all == 0 || counts.size() < 2) return 0;
  for (int64_t n : counts) sum += std::pow(static_cast<double>(n) / all, order);
  return std::log(sum) / (1 - order) / std::log(static_cast<double>(counts.size()));
}

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
  counts_a_.resize(static_cast<size_t>(out_.a.size));
  counts_b_.resize(static_cast<size_t>(out_.b.size));
  out_.a.lengths.resize(kLengths);
  out_.b.lengths.resize(kLengths);
}

std::vector<TokenId> TokenizerComparer::add_to(const Tokenizer& tokenizer, std::string_view text,
                                               ComparedSide& side,
                                               std::vector<int64_t>& counts) const {
  std::vector<TokenId> ids = tokenizer.encode(text, kContent).ids;
  side.tokens += static_cast<int64_t>(ids.size());
  for (TokenId id : ids) {
    const std::string_view bytes = tokenizer.vocabulary().bytes(id);
    side.shared_tokens += shared_.contains(bytes);
    ++side.lengths[std::min(bytes.size(), kLengths - 1)];
    ++counts[static_cast<size_t>(id)];
  }
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
  const auto ids_a = add_to(*a_, text, out_.a, counts_a_);
  const auto ids_b = add_to(*b_, text, out_.b, counts_b_);
  if (out_.same_ids && ids_a != ids_b) {
    out_.same_ids = false;
    out_.first_difference = text.substr(0, kShown);
  }
  ++out_.texts;
  out_.bytes += static_cast<int64_t>(text.size());
  for (size_t i = 0; i < text.size(); i += unit_at(text, i).length) ++out_.characters;
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
    if (it == words_.end()) continue;
    ++it->second;
    ++out_.words;
  }
}

void TokenizerComparer::finish_side(const Tokenizer& tokenizer, size_t most,
                                    std::span<const int64_t> counts, ComparedSide& side) const {
  std::vector<CostlyWord> all;
  all.reserve(words_.size());
  const std::string kFront = "a ";
  const int64_t front = tokenizer.count("a", kContent);
  for (const auto& [word, times] : words_) {
    all.push_back({word, times, tokenizer.count(kFront + word, kContent) - front});
    if (all.back().tokens == 1) side.whole_words += times;
  }
  most = std::min(most, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<ptrdiff_t>(most), all.end(),
                    [](const CostlyWord& a, const CostlyWord& b) {
                      const int64_t x = a.times * (a.tokens - 1), y = b.times * (b.tokens - 1);
                      return x != y ? x > y : a.word < b.word;
                    });
  all.resize(most);
  side.costliest = std::move(all);
  side.renyi_efficiency = renyi_efficiency(counts, kOrder);
}

TokenizerComparison TokenizerComparer::finish(size_t most) {
  finish_side(*a_, most, counts_a_, out_.a);
  finish_side(*b_, most, counts_b_, out_.b);
  return out_;
}

}  // namespace tessera
