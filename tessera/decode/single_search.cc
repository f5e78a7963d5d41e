#include "tessera/decode/single_search.h"

#include <utility>
#include <vector>

#include "tessera/base/error.h"

namespace tessera {
namespace {

class SingleSearch : public Search {
 public:
  SingleSearch(const SearchSetup& setup, Branch first, const PenaltyOptions& penalties,
               Chooser choose)
      : setup_(setup),
        branch_(std::move(first)),
        scorer_(setup, penalties),
        choose_(std::move(choose)) {
    if (!setup.drafter) return;
    if (!branch_.past->keeps_everything()) {
      throw Error("--draft", "takes tokens back, which this context policy cannot",
                  "Use --context full, or --draft none.");
    }
    text_ = setup.prompt;
  }

  std::span<Branch> live() override {
    return {&branch_, branch_.finish == Finish::running ? size_t{1} : size_t{0}};
  }

  void step(std::span<const float> logits) override {
    const size_t kept = choose_all(logits);
    counts_.guessed += static_cast<int64_t>(guesses_.size());
    counts_.kept += static_cast<int64_t>(kept);
    guesses_.clear();
    if (setup_.drafter && branch_.finish == Finish::running) guess();
  }

  bool drafts() const override { return true; }
  DraftCounts draft_counts() const override { return counts_; }
  bool final_as_chosen() const override { return true; }

  std::vector<Branch> take() override {
    std::vector<Branch> out;
    out.push_back(std::move(branch_));
    return out;
  }

 private:
  static Error dead_end(const Branch& branch) {
    return Error("constraint",
                 "no token of the vocabulary may follow after " +
                     std::to_string(branch.ids.size()) + " tokens",
                 "The constraint asks for bytes that this vocabulary cannot write, or the "
                 "penalties forbid them.");
  }

  // Takes back what the past has seen of guesses that were wrong, whatever ends the choosing.
  struct TakeBack {
    TakeBack(Branch& b, size_t all) : branch(b), guesses(all) {}
    TakeBack(const TakeBack&) = delete;
    TakeBack& operator=(const TakeBack&) = delete;
    ~TakeBack() {
      if (kept < guesses)
        branch.past->truncate(branch.past->length() - static_cast<int64_t>(guesses - kept));
    }
    Branch& branch;
    size_t guesses, kept = 0;
  };

  // One token from the first row, and from each row behind a guess that was right.
  size_t choose_all(std::span<const float> logits) {
    const auto columns = static_cast<size_t>(setup_.vocabulary);
    TakeBack back(branch_, guesses_.size());
    branch_.wanted = 1;
    for (;;) {
      auto scores = scorer_.score(branch_, logits.subspan(back.kept * columns, columns));
      if (scorer_.nothing_left()) {
        if (!branch_.constraint->complete()) throw dead_end(branch_);
        branch_.end(Finish::constraint);
        return back.kept;
      }
      const TokenId id = choose_(scores, branch_);
      scorer_.choose(branch_, id);
      if (setup_.drafter) text_.push_back(id);
      if (branch_.finish != Finish::running || back.kept == guesses_.size() ||
          guesses_[back.kept] != id) {
        return back.kept;
      }
      ++back.kept;
    }
  }

  void guess() {
    const int64_t left = setup_.max_tokens - static_cast<int64_t>(branch_.ids.size()) - 1;
    if (left <= 0) return;
    setup_.drafter->guess(text_, left, guesses_);
    for (const TokenId id : guesses_) branch_.pending.push_back(id);
    branch_.wanted = 1 + static_cast<int64_t>(guesses_.size());
  }

  const SearchSetup& setup_;
  Branch branch_;
  Scorer scorer_;
  Chooser choose_;
  std::vector<TokenId> text_;     // prompt and answer, for the drafter
  std::vector<TokenId> guesses_;  // at the end of branch_.pending
  DraftCounts counts_;
};

}  // namespace

std::unique_ptr<Search> single_search(const SearchSetup& setup, Branch first,
                                      const PenaltyOptions& penalties, Chooser choose) {
  return std::make_unique<SingleSearch>(setup, std::move(first), penalties, std::move(choose));
}

}  // namespace tessera
