#include "tessera/tokenizer/train/pair_merger.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "tessera/base/error.h"

namespace tessera {
namespace {

constexpr uint64_t kNoPair = std::numeric_limits<uint64_t>::max();
constexpr size_t kWhole = 256, kPart = 64;  // symbols of a word in one segment; of longer ones

uint64_t mixed(uint64_t pair) {
  pair *= 0x9E3779B97F4A7C15;
  return pair ^ pair >> 29;
}

}  // namespace

PairMerger::PairMerger(std::vector<std::string> tokens, PairMergerOptions options)
    : options_(std::move(options)),
      tokens_(std::move(tokens)),
      lengths_(tokens_.size(), 1),
      keys_(size_t{1} << 12, kNoPair),
      values_(keys_.size()) {
  for (size_t id = 0; id < tokens_.size(); ++id) {
    ids_.emplace(tokens_[id], static_cast<uint32_t>(id));
  }
}

void PairMerger::add_word(std::span<const uint32_t> symbols, int64_t count) {
  if (symbols.size() < 2) return;
  const size_t step = symbols.size() <= kWhole ? kWhole : kPart;
  for (size_t at = 0; at < symbols.size(); at += step) {
    const size_t size = std::min(step, symbols.size() - at);
    if (segments_.size() == std::numeric_limits<uint32_t>::max()) {
      throw Error("the texts", "have more different words than can be numbered", "Set --memory.");
    }
    segments_.push_back(
        {symbols_.size() + at, static_cast<uint32_t>(size), at + size < symbols.size(), count});
  }
  symbols_.insert(symbols_.end(), symbols.begin(), symbols.end());
}

uint32_t PairMerger::known(Pair pair) {
  const uint64_t mask = keys_.size() - 1;
  for (uint64_t at = mixed(pair) & mask;; at = (at + 1) & mask) {
    if (keys_[at] == pair) return values_[at];
    if (keys_[at] != kNoPair) continue;
    const auto index = static_cast<uint32_t>(known_.size());
    keys_[at] = pair;
    values_[at] = index;
    known_.emplace_back();
    if (options_.allowed) {
      known_.back().barred = !options_.allowed(
          text_of(static_cast<uint32_t>(pair >> 32), static_cast<uint32_t>(pair)));
    }
    if (2 * known_.size() > keys_.size()) grow();
    return index;
  }
}

void PairMerger::grow() {
  std::vector<Pair> keys(2 * keys_.size(), kNoPair);
  std::vector<uint32_t> values(keys.size());
  const uint64_t mask = keys.size() - 1;
  for (size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i] == kNoPair) continue;
    uint64_t at = mixed(keys_[i]) & mask;
    while (keys[at] != kNoPair) at = (at + 1) & mask;
    keys[at] = keys_[i];
    values[at] = values_[i];
  }
  keys_ = std::move(keys);
  values_ = std::move(values);
}

// Counts a pair up, which notes the segment, or down.
void PairMerger::change(uint32_t left, uint32_t right, int64_t by, uint32_t segment) {
  const Pair pair = pair_of(left, right);
  const uint32_t index = known(pair);
  Known& entry = known_[index];
  if (entry.barred) return;
  entry.count += by;
  if (by <= 0) return;
  if (entry.fresh < 0) {
    entry.fresh = static_cast<int64_t>(fresh_.size());
    fresh_.push_back({index, pair, {}});
  }
  auto& places = fresh_[static_cast<size_t>(entry.fresh)].places;
  if (places.empty() || places.back() != segment) places.push_back(segment);
}

// Queues the pairs that were counted up since the last call, each with the places that it came to:
// an entry answers for these alone, also where an older one of the same pair still waits.
void PairMerger::push_fresh() {
  for (Fresh& fresh : fresh_) {
    Known& entry = known_[fresh.known];
    entry.fresh = -1;
    if (entry.count < (options_.by_text ? 0 : 1)) continue;
    push({static_cast<uint64_t>(entry.count), fresh.pair, static_cast<uint32_t>(places_.size())});
    fresh.places.shrink_to_fit();
    places_.push_back(std::move(fresh.places));
  }
  fresh_.clear();
}

// Whether b is joined before a.
bool PairMerger::later(const Entry& a, const Entry& b) const {
  if (a.count != b.count) return a.count < b.count;
  if (!options_.by_text) return a.pair > b.pair;
  const auto left = [](const Entry& e) { return static_cast<uint32_t>(e.pair >> 32); };
  const auto right = [](const Entry& e) { return static_cast<uint32_t>(e.pair); };
  const uint32_t length = lengths_[left(a)] + lengths_[right(a)];
  const uint32_t other = lengths_[left(b)] + lengths_[right(b)];
  if (length != other) return length > other;
  // Both texts, from their different bytes on.
  std::string_view x = tokens_[left(a)], y = tokens_[left(b)];
  std::string_view next_x = tokens_[right(a)], next_y = tokens_[right(b)];
  while (true) {
    const size_t same = std::min(x.size(), y.size());
    if (const int order = x.substr(0, same).compare(y.substr(0, same)); order != 0) {
      return order > 0;
    }
    x.remove_prefix(same);
    y.remove_prefix(same);
    if (x.empty()) x = std::exchange(next_x, {});
    if (y.empty()) y = std::exchange(next_y, {});
    if (x.empty() || y.empty()) break;
  }
  if (x.empty() != y.empty()) return y.empty();
  return a.pair > b.pair;
}

void PairMerger::push(const Entry& entry) {
  queue_.push_back(entry);
  std::push_heap(queue_.begin(), queue_.end(),
                 [this](const Entry& a, const Entry& b) { return later(a, b); });
}

PairMerger::Entry PairMerger::pop() {
  std::pop_heap(queue_.begin(), queue_.end(),
                [this](const Entry& a, const Entry& b) { return later(a, b); });
  const Entry top = queue_.back();
  queue_.pop_back();
  return top;
}

bool PairMerger::next_of(uint32_t segment, uint32_t& found) const {
  while (segments_[segment].joined) {
    if (segments_[++segment].size == 0) continue;
    found = segment;
    return true;
  }
  return false;
}

bool PairMerger::previous_of(uint32_t segment, uint32_t& found) const {
  while (segment > 0 && segments_[segment - 1].joined) {
    if (segments_[--segment].size == 0) continue;
    found = segment;
    return true;
  }
  return false;
}

void PairMerger::count_pairs() {
  for (uint32_t s = 0; s < segments_.size(); ++s) {
    const Segment& segment = segments_[s];
    const uint32_t* x = symbols_.data() + segment.begin;
    // Symbols of a word stand side by side, whatever segments they are in.
    const size_t pairs = segment.joined ? segment.size : segment.size - 1;
    for (size_t i = 0; i < pairs; ++i) change(x[i], x[i + 1], segment.count, s);
  }
}

std::string PairMerger::text_of(uint32_t left, uint32_t right) const {
  std::string_view behind = tokens_[right];
  const std::string& prefix = options_.continuing_prefix;
  if (!prefix.empty() && behind.starts_with(prefix)) behind.remove_prefix(prefix.size());
  return tokens_[left] + std::string(behind);
}

// The token that both make together; a new one unless their text is one already.
uint32_t PairMerger::token_of(uint32_t left, uint32_t right) {
  std::string text = text_of(left, right);
  const auto [place, added] = ids_.try_emplace(text, static_cast<uint32_t>(tokens_.size()));
  if (added) {
    tokens_.push_back(std::move(text));
    lengths_.push_back(lengths_[left] + lengths_[right]);
  }
  return place->second;
}

// Joins the pair wherever it begins in a segment, from left to right.
void PairMerger::join_in(uint32_t s, const LearnedMerge& merge) {
  Segment& segment = segments_[s];
  uint32_t* x = symbols_.data() + segment.begin;
  const auto may_stand = [&](uint32_t left, uint32_t right) {
    return options_.max_token_length == 0 ||
           int64_t{lengths_[left]} + lengths_[right] < options_.max_token_length;
  };
  size_t out = 0;
  for (size_t i = 0; i < segment.size;) {
    uint32_t next = 0;
    bool apart = false;
    if (x[i] == merge.left && i + 1 == segment.size && next_of(s, next)) {
      apart = symbols_[segments_[next].begin] == merge.right;
    }
    if (!apart && !(x[i] == merge.left && i + 1 < segment.size && x[i + 1] == merge.right)) {
      x[out++] = x[i++];
      continue;
    }
    uint32_t at = s;
    if (out > 0 || previous_of(s, at)) {
      const Segment& before = segments_[at];
      const uint32_t left = out > 0 ? x[out - 1] : symbols_[before.begin + before.size - 1];
      change(left, merge.left, -segment.count, at);
      if (may_stand(left, merge.id)) change(left, merge.id, segment.count, at);
    }
    x[out++] = merge.id;
    if (apart) {
      ++segments_[next].begin;
      --segments_[next].size;
      ++i;
    } else {
      i += 2;
    }
    if (i < segment.size || next_of(s, next)) {
      const uint32_t right = i < segment.size ? x[i] : symbols_[segments_[next].begin];
      change(merge.right, right, -segment.count, s);
      if (may_stand(merge.id, right)) change(merge.id, right, segment.count, s);
    }
  }
  segment.size = static_cast<uint32_t>(out);
}

std::vector<LearnedMerge> PairMerger::run(const std::function<void()>& merged) {
  count_pairs();
  push_fresh();
  std::vector<LearnedMerge> merges;
  while (static_cast<int64_t>(tokens_.size()) < options_.vocab_size && !queue_.empty()) {
    Entry top = pop();
    // A count may have fallen below zero under max_token_length; the package reads it as unsigned.
    const auto now = static_cast<uint64_t>(known_[known(top.pair)].count);
    if (top.count != now) {
      top.count = now;
      push(top);
      continue;
    }
    const uint64_t least = options_.by_text ? 0 : 1;
    if (top.count < least || top.count < static_cast<uint64_t>(options_.min_frequency)) break;
    const auto left = static_cast<uint32_t>(top.pair >> 32);
    const auto right = static_cast<uint32_t>(top.pair);
    if (options_.by_text && ids_.contains(text_of(left, right))) continue;
    const LearnedMerge merge{left, right, token_of(left, right)};
    merges.push_back(merge);
    for (uint32_t segment : std::exchange(places_[top.places], {})) join_in(segment, merge);
    push_fresh();
    if (merged) merged();
  }
  return merges;
}

}  // namespace tessera
