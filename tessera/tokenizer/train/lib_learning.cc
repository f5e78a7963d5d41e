#include "tessera/tokenizer/train/lib_learning.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tessera {

void GrowingTrie::clear() {
  values_.assign(1, -1);
  slots_.assign(1 << 12, {});
}

// The slot of `key`, or the free one where it belongs.
size_t GrowingTrie::place(uint64_t key) const {
  const size_t mask = slots_.size() - 1;
  const uint64_t hash = key * 0x9E3779B97F4A7C15;
  size_t at = static_cast<size_t>(hash ^ hash >> 32) & mask;
  while (slots_[at].node != 0 && slots_[at].key != key) at = (at + 1) & mask;
  return at;
}

uint32_t GrowingTrie::child(uint32_t node, char32_t c) const {
  return slots_[place(uint64_t{node} << 32 | c)].node;
}

void GrowingTrie::grow() {
  const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(2 * slots_.size()));
  for (const Slot& slot : before) {
    if (slot.node != 0) slots_[place(slot.key)] = slot;
  }
}

void GrowingTrie::set(std::u32string_view text, int32_t value) {
  uint32_t node = 0;
  for (const char32_t c : text) {
    uint32_t next = child(node, c);
    if (next == 0) {
      if (2 * values_.size() >= slots_.size()) grow();
      next = static_cast<uint32_t>(values_.size());
      const uint64_t key = uint64_t{node} << 32 | c;
      slots_[place(key)] = {key, next};
      values_.push_back(-1);
    }
    node = next;
  }
  values_[node] = value;
}

int32_t GrowingTrie::find(std::u32string_view text) const {
  uint32_t node = 0;
  for (const char32_t c : text) {
    node = child(node, c);
    if (node == 0) return -1;
  }
  return values_[node];
}

GrowingTrie::Match GrowingTrie::match(std::u32string_view text) const {
  Match out;
  uint32_t node = 0;
  for (size_t length = 1; length <= text.size(); ++length) {
    node = child(node, text[length - 1]);
    if (node == 0) break;
    if (values_[node] < 0) continue;
    out.second = out.longest;
    out.second_length = out.length;
    out.longest = values_[node];
    out.length = length;
  }
  return out;
}

void LibLearning::add(std::u32string_view text, bool base) {
  int32_t id = 0;
  if (free_.empty()) {
    id = static_cast<int32_t>(units_.size());
    units_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  unit(id) = {std::u32string(text), static_cast<int32_t>(order_.size()), 0, base};
  order_.push_back(id);
  trie_.set(text, id);
}

void LibLearning::consider(std::u32string_view candidate) {
  if (trie_.find(candidate) >= 0) return;
  std::u32string text(candidate);
  if (candidates_.erase(text) == 0) {
    candidates_.insert(std::move(text));
  } else if (options_.cap == 0 || order_.size() < static_cast<size_t>(options_.cap)) {
    add(text, false);
  }
}

void LibLearning::judge(const Test& test) {
  const bool redundant = test.unknown != test.other_unknown ? test.unknown > test.other_unknown
                         : test.known != test.other_known   ? test.known > test.other_known
                                                            : test.ordinals > test.other_ordinals;
  judgements_.push_back({test.unit, !redundant});
  if (redundant) {
    // Of what the unit begins with, the longest one is what was tried instead.
    judgements_.push_back({test.shorter, true});
  } else {
    unit(test.unit).life = 0;
  }
}

void LibLearning::meet(std::u32string_view sentence, size_t at) {
  const auto longest = static_cast<size_t>(options_.max_length);
  const auto met = [&](Test& test) {
    while (test.at < at) {
      const auto found = trie_.match(sentence.substr(test.at, longest));
      if (found.longest < 0) {
        ++test.other_unknown;
        ++test.at;
      } else {
        ++test.other_known;
        test.other_ordinals += unit(found.longest).ordinal;
        test.at += found.length;
      }
    }
    if (test.at != at) return false;
    judge(test);
    return true;
  };
  std::erase_if(tests_, met);
}

void LibLearning::read(std::u32string_view sentence) {
  const auto longest = static_cast<size_t>(options_.max_length);
  tests_.clear();
  size_t last = 0;  // where the last unit, or run of unknown characters, begins
  bool last_known = false;
  for (size_t at = 0; at < sentence.size();) {
    meet(sentence, at);
    const auto found = trie_.match(sentence.substr(at, longest));
    if (found.longest < 0) {
      for (Test& test : tests_) ++test.unknown;
      if (last_known) last = at;
      last_known = false;
      ++at;
      continue;
    }
    Unit& known = unit(found.longest);
    const int32_t ordinal = known.ordinal;
    for (Test& test : tests_) {
      ++test.known;
      test.ordinals += ordinal;
    }
    if (found.length > 1 && found.second >= 0) {
      std::erase_if(tests_, [&](const Test& test) { return test.unit == found.longest; });
      tests_.push_back({.unit = found.longest,
                        .shorter = found.second,
                        .at = at + found.second_length,
                        .ordinals = ordinal,
                        .other_ordinals = unit(found.second).ordinal});
    } else {
      known.life = 0;
    }
    // Appended behind all others, a new unit moves no ordinal.
    const size_t gap = at - last, end = at + found.length;
    if (random_.uniform() < options_.alpha && gap > 0 && end - last <= longest) {
      if (last_known) {
        consider(sentence.substr(last, end - last));
      } else if (gap <= static_cast<size_t>(options_.mini_gap)) {
        consider(sentence.substr(last, gap));
      }
    }
    last = at;
    last_known = true;
    at = end;
  }
  meet(sentence, sentence.size());
}

// The unit at place `from` goes to place `to`, those between make room.
void LibLearning::shift(size_t from, size_t to) {
  const auto at = [&](size_t place) { return order_.begin() + static_cast<int64_t>(place); };
  if (from < to) {
    std::rotate(at(from), at(from + 1), at(to + 1));
  } else {
    std::rotate(at(to), at(from), at(from + 1));
  }
  for (size_t i = std::min(from, to); i <= std::max(from, to); ++i) {
    unit(order_[i]).ordinal = static_cast<int32_t>(i);
  }
}

void LibLearning::forget(int32_t id) {
  Unit& gone = unit(id);
  trie_.set(gone.text, -1);
  gone = {};
  free_.push_back(id);
}

void LibLearning::move(int32_t id, bool up) {
  const Unit& moved = unit(id);
  if (moved.ordinal < 0) return;  // forgotten by an earlier judgement
  const auto from = static_cast<size_t>(moved.ordinal);
  const auto step = static_cast<size_t>(std::floor(static_cast<double>(from) * options_.delta)) + 1;
  if (up) return shift(from, from - std::min(from, step));
  const size_t end = order_.size() - 1;
  shift(from, std::min(end, from + step));
  if (from + step > end && !moved.base) {
    order_.pop_back();
    forget(id);
  }
}

void LibLearning::pass_probation() {
  const auto gone = [&](int32_t id) {
    Unit& u = unit(id);
    if (u.life == 0) return false;
    --u.life;
    if (u.life > 0) return false;
    forget(id);
    return true;
  };
  if (std::erase_if(order_, gone) == 0) return;
  for (size_t i = 0; i < order_.size(); ++i) unit(order_[i]).ordinal = static_cast<int32_t>(i);
}

void LibLearning::put_on_probation() {
  const auto share = static_cast<size_t>(options_.omega * static_cast<double>(order_.size()));
  for (size_t i = order_.size() - share; i < order_.size(); ++i) {
    Unit& u = unit(order_[i]);
    if (u.life == 0 && !u.base) u.life = options_.life;
  }
}

void LibLearning::end_document() {
  pass_probation();
  for (const Judgement& j : judgements_) {
    if (options_.delta > 0) move(j.unit, j.up);
  }
  put_on_probation();
  judgements_.clear();
  candidates_.clear();
  // Nodes of forgotten units are only given back all at once.
  if (trie_.nodes() > (1 << 20) && trie_.nodes() / 40 > order_.size()) {
    trie_.clear();
    for (const int32_t id : order_) trie_.set(unit(id).text, id);
  }
  random_ = Random(options_.seed, ++documents_);
}

std::vector<std::u32string> LibLearning::lexicon() const {
  std::vector<std::u32string> out;
  out.reserve(order_.size());
  for (const int32_t id : order_) out.push_back(units_[static_cast<size_t>(id)].text);
  return out;
}

std::vector<std::pair<std::u32string, bool>> LibLearning::judgements() const {
  std::vector<std::pair<std::u32string, bool>> out;
  out.reserve(judgements_.size());
  for (const Judgement& j : judgements_) {
    out.emplace_back(units_[static_cast<size_t>(j.unit)].text, j.up);
  }
  return out;
}

}  // namespace tessera
