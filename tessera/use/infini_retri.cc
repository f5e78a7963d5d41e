#include "tessera/use/infini_retri.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/context/primitives.h"
#include "tessera/use/question_attention.h"

namespace tessera {
namespace {

// A number from 0; -1: none.
int64_t number_in(const std::string& text) {
  int64_t n = -1;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), n);
  return fault == std::errc() && end == text.data() + text.size() && n >= 0 ? n : -1;
}

int64_t tokens_of(const std::vector<Passage>& passages) {
  int64_t n = 0;
  for (const Passage& p : passages) n += p.tokens();
  return n;
}

class InfiniRetri final : public Reader {
 public:
  explicit InfiniRetri(const InfiniRetriOptions& o) : o_(o) {
    if (o.layer != "middle" && o.layer != "last" && number_in(o.layer) < 0) {
      throw Error("infini-retri:layer=" + o.layer, "is neither middle, last nor a number from 0",
                  "Give one of these.");
    }
    if (o.phrase > o.window) {
      throw Error(fmt::format("infini-retri:phrase={}", o.phrase),
                  fmt::format("is longer than the window of {} tokens", o.window),
                  "Give a smaller one.");
    }
  }

  ReadResult read(const ReadTask& task) const override {
    const int64_t layer = layer_of(*task.network);  // refused before a short document needs none
    if (auto whole = begin_reading(task, o_.limits)) return *std::move(whole);
    const auto around = static_cast<int64_t>(task.before.size() + task.after.size());
    const int64_t longest = o_.limits.budget + o_.window + around;
    if (longest > task.window) {
      throw Error(fmt::format("window={}", o_.window),
                  fmt::format("and budget={} with {} tokens of prompt around them make {}, and the "
                              "model reads {}",
                              o_.limits.budget, around, longest, task.window),
                  "Lower window or budget.");
    }
    ReadResult out;
    PassageSource source(task, std::min(o_.limits.budget, o_.window), out);
    // What was kept so far and the new passages behind it.
    std::vector<Passage> context;
    std::vector<double> weights;
    Passage next;
    bool more = source.next(next);
    while (more) {
      for (int64_t fresh = 0; more && (fresh == 0 || fresh + next.tokens() <= o_.window);
           more = source.next(next)) {
        fresh += next.tokens();
        context.push_back(std::move(next));
      }
      out.most_held = std::max(out.most_held, tokens_of(context) + (more ? next.tokens() : 0));
      choose(task, layer, context, weights, out);
    }
    keep(out, std::move(context));
    return out;
  }

 private:
  int64_t layer_of(const Network& network) const {
    const int64_t layers = network.description().layers;
    const int64_t layer = o_.layer == "middle" ? layers / 2
                          : o_.layer == "last" ? layers - 1
                                               : number_in(o_.layer);
    if (layer >= layers) {
      throw Error("infini-retri:layer=" + o_.layer, fmt::format("the model has {} layers", layers),
                  fmt::format("Give 0 to {}.", layers - 1));
    }
    return layer;
  }

  // Leaves in `context` the passages that hold the best tokens, within the budget.
  void choose(const ReadTask& task, int64_t layer, std::vector<Passage>& context,
              std::vector<double>& weights, ReadResult& out) const {
    std::vector<int32_t> ids = task.before;
    for (const Passage& p : context) ids.insert(ids.end(), p.ids.begin(), p.ids.end());
    PromptPlaces at;
    at.context_begin = static_cast<int64_t>(task.before.size());
    at.context_end = static_cast<int64_t>(ids.size());
    at.question_begin = at.context_end + task.question_begin;
    at.question_end = at.context_end + task.question_end;
    ids.insert(ids.end(), task.after.begin(), task.after.end());
    ++out.network_passes;
    out.longest_pass = std::max(out.longest_pass, static_cast<int64_t>(ids.size()));

    std::vector<float> scores;
    sum_neighbours(question_attention(*task.network, ids, at, layer, o_.power, weights), o_.phrase,
                   scores);
    constexpr float kNever = -std::numeric_limits<float>::infinity();
    std::fill_n(scores.begin(), std::min(o_.sinks, static_cast<int64_t>(scores.size())), kNever);
    BestOf best;
    std::vector<int32_t> chosen;
    best.choose(scores, o_.topk, chosen);

    BestPassages kept(o_.limits.budget);
    auto c = chosen.begin();
    int32_t begin = 0;
    for (Passage& p : context) {
      const int32_t end = begin + static_cast<int32_t>(p.tokens());
      if (c != chosen.end() && *c < end) {
        p.score =
            static_cast<double>(*std::max_element(scores.begin() + begin, scores.begin() + end));
        kept.add(std::move(p));
      }
      while (c != chosen.end() && *c < end) ++c;
      begin = end;
    }
    context = kept.take();
  }

  InfiniRetriOptions o_;
};

}  // namespace

std::unique_ptr<Reader> infini_retri(const InfiniRetriOptions& options) {
  return std::make_unique<InfiniRetri>(options);
}

}  // namespace tessera
