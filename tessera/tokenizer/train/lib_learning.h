// Less is Better: a reader that keeps a lexicon ordered by how well its units serve, adds pairs of
// units that it meets twice, and forgets what does not help. It knows no words.
// Source: Yang, Frank and van den Bosch 2020, ACL 2020.cogalex-1.4; Yang 2024, arXiv 2403.00417.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "tessera/base/random.h"

namespace tessera {

struct LibLearningOptions {
  double alpha = 0.25;    // chance that a pair of neighbours is considered
  double delta = 0.2;     // step of a unit that moves, relative to its place; 0: none moves
  double omega = 0.0001;  // share of the lexicon's tail that is put on probation
  int64_t life = 10;      // documents that a unit on probation survives unused
  int64_t max_length = 12;
  int64_t mini_gap = 2;
  int64_t cap = 0;  // units beyond which none is added; 0: any number
  uint64_t seed = 0;
};

// The longest strings of a set that a text begins with; strings come and go.
class GrowingTrie {
 public:
  struct Match {
    int32_t longest = -1, second = -1;  // values; -1: none
    size_t length = 0, second_length = 0;
  };
  GrowingTrie() { clear(); }
  void clear();
  // Value -1 takes the string out.
  void set(std::u32string_view text, int32_t value);
  int32_t find(std::u32string_view text) const;
  Match match(std::u32string_view text) const;
  size_t nodes() const { return values_.size(); }

 private:
  struct Slot {
    uint64_t key = 0;   // node and character
    uint32_t node = 0;  // 0: free
  };
  uint32_t child(uint32_t node, char32_t c) const;
  size_t place(uint64_t key) const;
  void grow();

  std::vector<int32_t> values_;  // by node; the root is 0
  std::vector<Slot> slots_;
};

class LibLearning {
 public:
  // What was found out about a unit: whether it moves towards the front.
  struct Judgement {
    int32_t unit;
    bool up;
  };

  explicit LibLearning(const LibLearningOptions& options)
      : options_(options), random_(options.seed) {}

  // Appends a unit to the lexicon, which must not be there yet; a `base` one is never forgotten.
  void add(std::u32string_view unit, bool base);
  // A document is some sentences and its end.
  void read(std::u32string_view sentence);
  void end_document();

  size_t size() const { return order_.size(); }
  // By ordinal, the most entrenched first.
  std::vector<std::u32string> lexicon() const;
  // Of the document so far, in the order in which they were made.
  std::vector<std::pair<std::u32string, bool>> judgements() const;

 private:
  struct Unit {
    std::u32string text;
    int32_t ordinal = -1;  // -1: forgotten
    int64_t life = 0;      // 0: not on probation
    bool base = false;
  };
  // Two ways to read on from a place, which began with a unit and with the next shorter one.
  struct Test {
    int32_t unit, shorter;
    size_t at;  // where the second way stands
    int64_t unknown = 0, known = 1, ordinals = 0;
    int64_t other_unknown = 0, other_known = 1, other_ordinals = 0;
  };

  Unit& unit(int32_t id) { return units_[static_cast<size_t>(id)]; }
  void consider(std::u32string_view candidate);
  // Leads the second ways on to `at`, and judges those that stand there then.
  void meet(std::u32string_view sentence, size_t at);
  void judge(const Test& test);
  void move(int32_t id, bool up);
  void shift(size_t from, size_t to);
  void forget(int32_t id);
  void pass_probation();
  void put_on_probation();

  LibLearningOptions options_;
  Random random_;
  uint64_t documents_ = 0;
  std::vector<Unit> units_;
  std::vector<int32_t> free_;   // places of units_ that hold none
  std::vector<int32_t> order_;  // by ordinal
  GrowingTrie trie_;
  std::vector<Test> tests_;
  std::vector<Judgement> judgements_;
  std::unordered_set<std::u32string> candidates_;
};

}  // namespace tessera
