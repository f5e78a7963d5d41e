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
      : branch_(std::move(first)), scorer_(setup, penalties), choose_(std::move(choose)) {}

  std::span<Branch> live() override {
    return {&branch_, branch_.finish == Finish::running ? size_t{1} : size_t{0}};
  }

  void step(std::span<const float> logits) override {
    auto scores = scorer_.score(branch_, logits);
    if (scorer_.nothing_left()) {
      if (!branch_.constraint->complete()) throw dead_end(branch_);
      branch_.end(Finish::constraint);
      return;
    }
    scorer_.choose(branch_, choose_(scores, branch_));
  }

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

  Branch branch_;
  Scorer scorer_;
  Chooser choose_;
};

}  // namespace

std::unique_ptr<Search> single_search(const SearchSetup& setup, Branch first,
                                      const PenaltyOptions& penalties, Chooser choose) {
  return std::make_unique<SingleSearch>(setup, std::move(first), penalties, std::move(choose));
}

}  // namespace tessera
