// What readers are written on: the passages of a document one after another, the best of them
// within a budget, and a document that needs no choice.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/base/spec.h"
#include "tessera/use/reader.h"
#include "tessera/use/sentences.h"

namespace tessera {

// What readers that leave things out have in common.
struct ReadLimits {
  int64_t budget = 512;
  bool always = false;
};
template <class V>
void limit_fields(V& v, ReadLimits& o) {
  v("budget", o.budget, "tokens of the document that are kept at most", at_least(16));
  v("always", o.always, "choose although the whole document would fit");
}

// Sentences of a document as passages; those of more than `longest` tokens in parts.
class PassageSource {
 public:
  // Counts what it gives in `result`; tells `task.passed` what it has left behind.
  PassageSource(const ReadTask& task, int64_t longest, ReadResult& result);
  // false at the document's end, and when task.stopped says so.
  bool next(Passage& out);

 private:
  struct Part {
    size_t begin, end;
  };
  const ReadTask& task_;
  int64_t longest_;
  ReadResult& result_;
  SentenceCutter sentences_;
  std::vector<Part> parts_;  // of the sentence at hand, the next one last
};

// The longest beginning of the passages' order, best score first and of equal ones the earlier
// first, that is no longer than the budget; passages may come in any order, and no more than the
// budget and one passage is ever held.
class BestPassages {
 public:
  explicit BestPassages(int64_t budget) : budget_(budget) {}
  void add(Passage p);
  int64_t tokens() const { return tokens_; }
  // In the document's order; nothing is left here.
  std::vector<Passage> take();

 private:
  struct Worse {
    bool operator()(const Passage& a, const Passage& b) const {
      return a.score != b.score ? a.score < b.score : a.begin > b.begin;
    }
  };
  int64_t budget_, tokens_ = 0;
  std::set<Passage, Worse> held_;    // the worst first
  std::optional<Passage> left_out_;  // the best of those that did not fit
};

// Throws Error for a document or question without anything in it.
void need_something_to_read(const ReadTask& task);

// The whole document when the prompt holds it in `room` tokens; of a longer one no more is read
// than that.
std::optional<ReadResult> read_whole(const ReadTask& task, int64_t room);

// What every reader that chooses begins with: refuses what is empty, and a model whose window
// cannot hold `budget`; gives the document itself when it fits and `always` is off.
std::optional<ReadResult> begin_reading(const ReadTask& task, const ReadLimits& limits);

// Puts passages into a result.
void keep(ReadResult& result, std::vector<Passage> kept);

}  // namespace tessera
