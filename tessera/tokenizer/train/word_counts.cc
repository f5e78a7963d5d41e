#include "tessera/tokenizer/train/word_counts.h"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <queue>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/hash.h"
#include "tessera/tokenizer/train/count_runs.h"

namespace tessera {
namespace {

constexpr size_t kFirst = size_t{1} << 12;
// What the words of a result take beside their bytes, in all that trainers make of them.
constexpr int64_t kWordOverhead = 64, kByteOverhead = 12;
constexpr int64_t kLeastMemory = 16000000;

int64_t kept_bytes(std::string_view word) {
  return kWordOverhead + kByteOverhead * static_cast<int64_t>(word.size());
}

// Calls visit(word, count) in ascending order of the words.
template <class Visit>
void each_sorted(const WordTable& table, const Visit& visit) {
  struct Place {
    size_t begin, size;
    int64_t count;
  };
  std::string text;
  std::vector<Place> places;
  places.reserve(table.size());
  table.each([&](std::string_view word, int64_t count) {
    places.push_back({text.size(), word.size(), count});
    text += word;
  });
  const auto word_of = [&](const Place& p) {
    return std::string_view(text).substr(p.begin, p.size);
  };
  std::sort(places.begin(), places.end(),
            [&](const Place& a, const Place& b) { return word_of(a) < word_of(b); });
  for (const Place& p : places) visit(word_of(p), p.count);
}

// Counts of words above which a histogram holds them one by one.
constexpr size_t kCounts = 4096;

// The least count such that the words of that count or more fit into `memory`; 1 when all do.
class Threshold {
 public:
  void add(std::string_view word, int64_t count) {
    const auto at = static_cast<size_t>(std::min<int64_t>(count, kCounts - 1));
    bytes_[at] += kept_bytes(word);
  }
  int64_t least(int64_t memory) const {
    int64_t bytes = 0;
    for (size_t count = kCounts; count-- > 1;) {
      bytes += bytes_[count];
      if (bytes > memory) return static_cast<int64_t>(std::min(count + 1, kCounts - 1));
    }
    return 1;
  }

 private:
  std::array<int64_t, kCounts> bytes_{};
};

// Gives all words of the runs to visit(word, count), ascending, the counts of equal ones added.
template <class Visit>
void merge_runs(const std::vector<CountRun>& runs, const Visit& visit) {
  std::vector<CountRun::Reader> readers;
  readers.reserve(runs.size());
  for (const CountRun& run : runs) readers.emplace_back(run);
  const auto later = [&](size_t a, size_t b) { return readers[a].word() > readers[b].word(); };
  std::priority_queue<size_t, std::vector<size_t>, decltype(later)> next(later);
  for (size_t i = 0; i < readers.size(); ++i) {
    if (readers[i].next()) next.push(i);
  }
  std::string word;
  int64_t count = 0;
  while (!next.empty()) {
    const size_t i = next.top();
    next.pop();
    if (count == 0 || word != readers[i].word()) {
      if (count != 0) visit(std::string_view(word), count);
      word = readers[i].word();
      count = 0;
    }
    count += readers[i].count();
    if (readers[i].next()) next.push(i);
  }
  if (count != 0) visit(std::string_view(word), count);
}

// Runs that come one after another, so many of them merged into a longer one each time that what
// reading all of them takes does not grow with their number.
class RunStack {
 public:
  void add(const WordTable& table) {
    CountRun::Writer writer;
    each_sorted(table, [&](std::string_view word, int64_t count) { writer.add(word, count); });
    put(writer.finish(), 0);
    ++written_;
  }
  // Takes those of `other`.
  void add(RunStack&& other) {
    written_ += other.written_;
    for (size_t level = 0; level < other.levels_.size(); ++level) {
      for (CountRun& run : other.levels_[level]) put(std::move(run), level);
    }
    other.levels_.clear();
  }
  bool empty() const { return written_ == 0; }
  int64_t written() const { return written_; }  // tables
  // All of them, longer ones first.
  std::vector<CountRun> take() {
    std::vector<CountRun> out;
    for (size_t level = levels_.size(); level-- > 0;) {
      for (CountRun& run : levels_[level]) out.push_back(std::move(run));
    }
    levels_.clear();
    return out;
  }

 private:
  static constexpr size_t kTogether = 16;

  void put(CountRun run, size_t level) {
    if (levels_.size() <= level) levels_.resize(level + 1);
    levels_[level].push_back(std::move(run));
    if (levels_[level].size() < kTogether) return;
    CountRun::Writer writer;
    merge_runs(levels_[level],
               [&](std::string_view word, int64_t count) { writer.add(word, count); });
    levels_[level].clear();
    put(writer.finish(), level + 1);
  }

  // A run of one level is made of 16 of the one below.
  std::vector<std::vector<CountRun>> levels_;
  int64_t written_ = 0;
};

void place_words(WordCounts& out, const std::vector<size_t>& sizes) {
  size_t at = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    out.words[i].word = std::string_view(out.text).substr(at, sizes[i]);
    at += sizes[i];
  }
}

// The result of everything that `each` gives in ascending order, twice if memory is bounded.
template <class Each>
WordCounts collect(const Each& each, int64_t memory) {
  WordCounts out;
  int64_t least = 1;
  if (memory > 0) {
    Threshold threshold;
    each([&](std::string_view word, int64_t count) { threshold.add(word, count); });
    least = threshold.least(memory);
  }
  std::vector<size_t> sizes;
  each([&](std::string_view word, int64_t count) {
    ++out.distinct;
    out.total += count;
    if (count < least) {
      ++out.left_out;
      out.lost += count;
      out.rarest = std::max(out.rarest, count);
      return;
    }
    out.text += word;
    sizes.push_back(word.size());
    out.words.push_back({{}, count});
  });
  out.text.append(TextBlock::kPadding, '\0');
  place_words(out, sizes);
  return out;
}

}  // namespace

WordTable::WordTable() : short_(kFirst), long_(kFirst) {}

size_t WordTable::bytes() const {
  return short_.size() * sizeof(Short) + long_.size() * sizeof(Long) + text_.capacity();
}

void WordTable::clear() { *this = WordTable(); }

void WordTable::add_long(std::string_view word, int64_t times) {
  const uint64_t hash = hash_of(word), mask = long_.size() - 1;
  for (uint64_t at = hash & mask;; at = (at + 1) & mask) {
    Long& entry = long_[at];
    if (entry.count != 0) {
      if (entry.hash != hash || std::string_view(text_).substr(entry.begin, entry.size) != word) {
        continue;
      }
      entry.count += times;
      return;
    }
    entry = {hash, text_.size(), word.size(), times};
    text_ += word;
    if (++long_used_ * 2 > long_.size()) grow_long();
    return;
  }
}

void WordTable::grow_short() {
  std::vector<Short> old(short_.size() * 2);
  old.swap(short_);
  const uint64_t mask = short_.size() - 1;
  for (const Short& entry : old) {
    if (entry.count == 0) continue;
    uint64_t at = place(entry.key) & mask;
    while (short_[at].count != 0) at = (at + 1) & mask;
    short_[at] = entry;
  }
}

void WordTable::grow_long() {
  std::vector<Long> old(long_.size() * 2);
  old.swap(long_);
  const uint64_t mask = long_.size() - 1;
  for (const Long& entry : old) {
    if (entry.count == 0) continue;
    uint64_t at = entry.hash & mask;
    while (long_[at].count != 0) at = (at + 1) & mask;
    long_[at] = entry;
  }
}

WordCounts count_words(TrainingTexts& texts, const CuttingParts& parts,
                       const TrainingRequest& request) {
  const TextCutter judge(parts);
  // A cutter serves one thread at a time; a table belongs to one.
  std::mutex mutex;
  std::map<const WordTable*, TextCutter> cutters;
  const auto cutter_of = [&](const WordTable& table) -> TextCutter& {
    const std::lock_guard lock(mutex);
    const auto at = cutters.find(&table);
    return at != cutters.end() ? at->second
                               : cutters.emplace(&table, TextCutter(parts)).first->second;
  };
  return count_words(
      texts,
      [&](const TextBlock& block, WordTable& table) {
        cutter_of(table).cut(
            block, [&](const char* word, size_t size) { table.add(std::string_view(word, size)); });
      },
      [&](std::string_view line) { return judge.place_to_cut(line); }, request);
}

WordCounts count_words(TrainingTexts& texts, const CountBlock& cut,
                       const TrainingTexts::CutLine& place, const TrainingRequest& request) {
  const auto threads = static_cast<size_t>(std::max<int64_t>(request.threads, 1));
  if (request.memory > 0 && request.memory < kLeastMemory) {
    throw Error("--memory", fmt::format("{} bytes hold no tables", request.memory),
                "Allow 16M or more.");
  }
  // A quarter for the tables: growing doubles one, and the sorted copy of one comes on top.
  const size_t room =
      request.memory > 0 ? static_cast<size_t>(request.memory) / 4 / threads : SIZE_MAX;
  std::vector<WordTable> tables(threads);
  std::vector<RunStack> runs(threads);
  texts.read(request.threads, place, [&](const TextBlock& block, size_t thread) {
    WordTable& table = tables[thread];
    cut(block, table);
    if (table.bytes() <= room) return;
    runs[thread].add(table);
    table.clear();
  });
  RunStack all;
  for (RunStack& of_thread : runs) all.add(std::move(of_thread));
  if (all.empty()) {
    for (size_t t = 1; t < threads; ++t) {
      tables[t].each([&](std::string_view word, int64_t count) { tables[0].add(word, count); });
      tables[t].clear();
    }
    return collect([&](const auto& visit) { each_sorted(tables[0], visit); }, request.memory / 3);
  }
  for (WordTable& table : tables) {
    all.add(table);
    table.clear();
  }
  const int64_t spilled = all.written();
  const std::vector<CountRun> last = all.take();
  WordCounts out = collect([&](const auto& visit) { merge_runs(last, visit); }, request.memory / 3);
  out.spilled = spilled;
  return out;
}

WordCounts sorted_counts(const WordTable& table) {
  return collect([&](const auto& visit) { each_sorted(table, visit); }, 0);
}

std::vector<std::string> notes_of(const WordCounts& counts, const TrainingTexts& texts) {
  std::vector<std::string> notes;
  if (counts.left_out > 0) {
    notes.push_back(fmt::format(
        "memory had no room for {} of {} different words: those that stand there {} times or less, "
        "{:.2f} % of all. --memory allows more.",
        counts.left_out, counts.distinct, counts.rarest,
        100 * static_cast<double>(counts.lost) / static_cast<double>(counts.total)));
  }
  if (texts.cut_lines() > 0) {
    notes.push_back(
        fmt::format("{} times a line was cut that is too long to be held.", texts.cut_lines()));
  }
  return notes;
}

}  // namespace tessera
