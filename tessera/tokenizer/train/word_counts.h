// How often every word stands in the texts: counted by several threads, spilled to disk where
// memory ends, and given back in the order of their bytes, so that nothing depends on who counted
// what.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/tokenizer/train/text_cutter.h"
#include "tessera/tokenizer/train/trainer.h"
#include "tessera/tokenizer/train/training_texts.h"

namespace tessera {

// Words and counts that fit into memory. One thread at a time.
class WordTable {
 public:
  WordTable();
  // One more `word`, or `times` more; TextBlock::kPadding bytes behind it may be read.
  void add(std::string_view word, int64_t times = 1) {
    if (word.size() > kShort) return add_long(word, times);
    const Key key = key_of(word);
    const uint64_t mask = short_.size() - 1;
    for (uint64_t at = place(key) & mask;; at = (at + 1) & mask) {
      Short& entry = short_[at];
      if (entry.key == key) {
        entry.count += times;
        return;
      }
      if (entry.count == 0) {
        entry = {key, times};
        if (++short_used_ * 2 > short_.size()) grow_short();
        return;
      }
    }
  }
  size_t size() const { return short_used_ + long_used_; }
  // Memory that it takes, in bytes.
  size_t bytes() const;
  // Calls visit(word, count) for each, in any order. Words may be read beyond as in add().
  template <class Visit>
  void each(const Visit& visit) const {
    for (const Short& entry : short_) {
      if (entry.count == 0) continue;
      char word[kShort + 1 + TextBlock::kPadding] = {};
      std::memcpy(word, &entry.key, kShort);
      visit(std::string_view(word, static_cast<size_t>(entry.key.high >> 56)), entry.count);
    }
    for (const Long& entry : long_) {
      if (entry.count != 0) {
        visit(std::string_view(text_.data() + entry.begin, entry.size), entry.count);
      }
    }
  }
  void clear();

 private:
  static constexpr size_t kShort = 15;  // bytes of a word that is its own key
  struct Key {
    uint64_t low = 0, high = 0;  // the top byte of `high` is the length
    bool operator==(const Key&) const = default;
  };
  struct Short {
    Key key;
    int64_t count = 0;
  };
  struct Long {
    uint64_t hash = 0, begin = 0, size = 0;
    int64_t count = 0;
  };
  static Key key_of(std::string_view word) {
    Key key;
    std::memcpy(&key.low, word.data(), 8);
    std::memcpy(&key.high, word.data() + 8, 8);
    const size_t n = word.size();
    if (n < 8) {
      key.low &= (uint64_t{1} << (8 * n)) - 1;
      key.high = 0;
    } else {
      key.high &= (uint64_t{1} << (8 * (n - 8))) - 1;
    }
    key.high |= static_cast<uint64_t>(n) << 56;
    return key;
  }
  static uint64_t place(const Key& key) {
    const uint64_t hash = (key.low ^ (key.high << 23 | key.high >> 41)) * 0x9E3779B97F4A7C15;
    return (hash ^ hash >> 32) * 0xD6E8FEB86659FD93 >> 20;
  }
  void add_long(std::string_view word, int64_t times);
  void grow_short();
  void grow_long();

  std::vector<Short> short_;
  std::vector<Long> long_;
  size_t short_used_ = 0, long_used_ = 0;
  std::string text_;  // of long words
};

struct CountedWord {
  std::string_view word;
  int64_t count;
};

// All words, ascending by their bytes.
struct WordCounts {
  std::vector<CountedWord> words;
  int64_t total = 0;     // sum of all counts, also of words that were left out
  int64_t distinct = 0;  // also of those
  int64_t left_out = 0;  // distinct words that memory had no room for: the rarest, all of up to
  int64_t rarest = 0;    // so many occurrences,
  int64_t lost = 0;      // which are so many in all
  int64_t spilled = 0;   // tables that were written to temporary files
  std::string text;      // of the words
};

// Counts the words of all texts. request.threads threads; request.memory bounds what tables and the
// result take (0: nothing does): tables are sorted and written to temporary files as they fill, and
// when the result does not fit the rarest words are left out.
WordCounts count_words(TrainingTexts& texts, const CuttingParts& parts,
                       const TrainingRequest& request);

// The same with words cut by the caller: cut(block, table) adds those of a block, on any of the
// threads. `place`: as in TrainingTexts::read().
using CountBlock = std::function<void(const TextBlock& block, WordTable& table)>;
WordCounts count_words(TrainingTexts& texts, const CountBlock& cut,
                       const TrainingTexts::CutLine& place, const TrainingRequest& request);

// The words of a table, all of them.
WordCounts sorted_counts(const WordTable& table);

// What a person should know of how words were counted.
std::vector<std::string> notes_of(const WordCounts& counts, const TrainingTexts& texts);

}  // namespace tessera
