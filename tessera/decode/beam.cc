#include "tessera/decode/beam.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "tessera/base/error.h"

namespace tessera {
namespace {

// A text that goes on by one token.
struct Extension {
  double score;   // log-probability of the whole text
  size_t parent;  // index into the live branches
  TokenId id;
};

bool better(const Extension& a, const Extension& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.parent < b.parent || (a.parent == b.parent && a.id < b.id);
}

class BeamSearch : public Search {
 public:
  BeamSearch(const SearchSetup& setup, Branch first, const BeamOptions& options)
      : setup_(setup), options_(options), scorer_(setup, options.penalties) {
    live_.push_back(std::move(first));
  }

  std::span<Branch> live() override { return live_; }
  bool final_as_chosen() const override { return false; }

  void step(std::span<const float> logits) override {
    auto columns = static_cast<size_t>(setup_.vocabulary);
    // A text that has ended keeps its place among the beams.
    auto places = static_cast<size_t>(options_.beams) - ended_.size();
    best_.clear();
    for (size_t b = 0; b < live_.size(); ++b) {
      auto scores = scorer_.score(live_[b], logits.subspan(b * columns, columns));
      if (scorer_.nothing_left()) {
        if (live_[b].constraint->complete()) live_[b].end(Finish::constraint);
        continue;
      }
      collect(b, scores, scorer_.log_total(), places);
    }
    std::sort(best_.begin(), best_.end(), better);
    grow(logits);
  }

  std::vector<Branch> take() override {
    for (Branch& b : live_) ended_.push_back(std::move(b));
    live_.clear();
    std::stable_sort(ended_.begin(), ended_.end(), [&](const Branch& a, const Branch& b) {
      return rank(a.score, a.ids.size()) > rank(b.score, b.ids.size());
    });
    auto n = static_cast<size_t>(options_.n_best);
    if (ended_.size() > n) ended_.erase(ended_.begin() + static_cast<ptrdiff_t>(n), ended_.end());
    return std::move(ended_);
  }

 private:
  // best_ is a heap with the worst in front, `places` entries at most.
  void collect(size_t branch, std::span<const float> scores, double total, size_t places) {
    double so_far = live_[branch].score;
    for (size_t id = 0; id < scores.size(); ++id) {
      if (scores[id] == -std::numeric_limits<float>::infinity()) continue;
      Extension e{so_far + scores[id] - total, branch, static_cast<TokenId>(id)};
      if (best_.size() == places) {
        if (!better(e, best_.front())) continue;
        std::pop_heap(best_.begin(), best_.end(), better);
        best_.pop_back();
      }
      best_.push_back(e);
      std::push_heap(best_.begin(), best_.end(), better);
    }
  }

  // Replaces the live branches by their chosen extensions.
  void grow(std::span<const float> logits) {
    auto columns = static_cast<size_t>(setup_.vocabulary);
    std::vector<size_t> uses(live_.size());
    for (const Extension& e : best_) ++uses[e.parent];
    std::vector<Branch> next;
    next.reserve(best_.size());
    for (size_t i = 0; i < best_.size(); ++i) {
      const Extension& e = best_[i];
      Branch child =
          --uses[e.parent] > 0 ? live_[e.parent].fork(streams_++) : std::move(live_[e.parent]);
      if (setup_.top_logprobs >= 0) {
        scorer_.score(child, logits.subspan(e.parent * columns, columns));
      }
      child.score = e.score;
      scorer_.choose(child, e.id);
      (child.finish == Finish::running ? next : ended_).push_back(std::move(child));
    }
    // Branches that the constraint ended before this step.
    for (Branch& b : live_) {
      if (b.past && b.finish != Finish::running) ended_.push_back(std::move(b));
    }
    live_ = std::move(next);
    if (live_.empty() && ended_.empty()) {
      throw Error("constraint", "no token of the vocabulary may follow",
                  "The constraint asks for bytes that this vocabulary cannot write, or the "
                  "penalties forbid them.");
    }
    if (settled()) live_.clear();
  }

  double rank(double score, size_t tokens) const {
    return score /
           std::pow(static_cast<double>(std::max<size_t>(tokens, 1)), options_.length_penalty);
  }

  bool settled() const {
    auto wanted = static_cast<size_t>(options_.n_best);
    if (ended_.size() >= static_cast<size_t>(options_.beams)) return true;
    if (ended_.size() < wanted || options_.until == "all") return false;
    if (options_.until == "first") return true;
    std::vector<double> ranks;
    ranks.reserve(ended_.size());
    for (const Branch& b : ended_) ranks.push_back(rank(b.score, b.ids.size()));
    std::nth_element(ranks.begin(), ranks.begin() + static_cast<ptrdiff_t>(wanted - 1), ranks.end(),
                     std::greater<>());
    double least = ranks[wanted - 1];
    // A log-probability only falls, so that an open text can rank no higher than it would at the
    // length where the penalty is kindest.
    for (const Branch& b : live_) {
      double bound = std::max(rank(b.score, b.ids.size() + 1),
                              rank(b.score, static_cast<size_t>(setup_.max_tokens)));
      if (bound > least) return false;
    }
    return true;
  }

  const SearchSetup& setup_;
  BeamOptions options_;
  Scorer scorer_;
  std::vector<Branch> live_, ended_;
  std::vector<Extension> best_;
  uint64_t streams_ = 1;  // the first branch has stream 0
};

class Beam : public Strategy {
 public:
  explicit Beam(BeamOptions options) : options_(std::move(options)) {}
  std::unique_ptr<Search> start(const SearchSetup& setup, Branch first) const override {
    return std::make_unique<BeamSearch>(setup, std::move(first), options_);
  }

 private:
  BeamOptions options_;
};

}  // namespace

std::unique_ptr<Strategy> beam(const BeamOptions& options) {
  if (options.n_best > options.beams) {
    throw Error("beam",
                "n-best is " + std::to_string(options.n_best) + ", beams is " +
                    std::to_string(options.beams),
                "n-best is at most beams.");
  }
  return std::make_unique<Beam>(options);
}

}  // namespace tessera
