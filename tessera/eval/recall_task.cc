#include "tessera/eval/recall_task.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/error.h"

namespace tessera {
namespace {

constexpr int64_t kFillers = kRecallSymbols - 2 - kRecallKeys - kRecallValues;

template <class T>
void shuffle(std::vector<T>& items, Random& random) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.below(i)]);
}

void check(const RecallShape& shape) {
  if (shape.pairs < 1 || shape.pairs > shape.symbols || shape.symbols > kRecallKeys ||
      shape.drawn < 0) {
    throw Error("recall", fmt::format("{} pairs, {} questions, {} keys: there are {}", shape.pairs,
                                      shape.questions(), shape.symbols, kRecallKeys));
  }
  const int64_t least = 2 * shape.pairs + 2 * shape.questions();
  if (shape.length < least) {
    throw Error("recall", fmt::format("{} pairs and {} questions take {} symbols, not {}",
                                      shape.pairs, shape.questions(), least, shape.length));
  }
}

}  // namespace

RecallSequence make_recall(const RecallShape& shape, Random& random) {
  check(shape);
  const int64_t text = shape.length - 2 * shape.questions();
  std::vector<int32_t> keys(static_cast<size_t>(shape.symbols));
  std::iota(keys.begin(), keys.end(), 0);
  shuffle(keys, random);
  keys.resize(static_cast<size_t>(shape.pairs));
  std::vector<int32_t> values(static_cast<size_t>(kRecallKeys));
  for (int32_t& v : values) {
    v = static_cast<int32_t>(kRecallKeys) +
        static_cast<int32_t>(random.below(static_cast<uint64_t>(shape.symbols)));
  }

  // -1: a filler; else the number of a pair.
  std::vector<int32_t> slots(static_cast<size_t>(text - shape.pairs), -1);
  std::iota(slots.begin(), slots.begin() + shape.pairs, 0);
  shuffle(slots, random);
  RecallSequence out;
  out.ids.reserve(static_cast<size_t>(shape.length));
  std::vector<int64_t> place(static_cast<size_t>(kRecallKeys));
  const auto say = [&](int32_t key) {
    out.ids.push_back(key);
    out.ids.push_back(values[static_cast<size_t>(key)]);
  };
  for (const int32_t slot : slots) {
    if (slot < 0) {
      out.ids.push_back(static_cast<int32_t>(kRecallKeys + kRecallValues + random.below(kFillers)));
      continue;
    }
    const int32_t key = keys[static_cast<size_t>(slot)];
    place[static_cast<size_t>(key)] = static_cast<int64_t>(out.ids.size());
    say(key);
  }
  std::vector<int32_t> asked = keys;
  shuffle(asked, random);
  if (shape.drawn > 0) {
    asked.clear();
    for (int64_t i = 0; i < shape.drawn; ++i) asked.push_back(keys[random.below(keys.size())]);
  }
  for (const int32_t key : asked) {
    out.questions.push_back(
        {static_cast<int64_t>(out.ids.size()), place[static_cast<size_t>(key)]});
    say(key);
  }
  return out;
}

RecallScore recall_score(Network& network, const std::string& policy, const RecallShape& shape,
                         int64_t sequences, uint64_t seed, int64_t far,
                         const std::function<bool()>& each) {
  const ModelDescription& d = network.description();
  if (d.vocabulary < kRecallSymbols) {
    throw Error("recall", fmt::format("the model has {} tokens of the {} symbols", d.vocabulary,
                                      kRecallSymbols));
  }
  RecallScore out;
  std::vector<float> vectors(static_cast<size_t>(shape.length * d.embedding_width));
  std::vector<float> logits(static_cast<size_t>(d.vocabulary));
  const auto width = static_cast<size_t>(d.embedding_width);
  for (int64_t s = 0; s < sequences; ++s) {
    Random random(seed, static_cast<uint64_t>(s));
    const RecallSequence sequence = make_recall(shape, random);
    network.embed(sequence.ids, vectors);
    const auto past = network.new_past(policy);
    auto question = sequence.questions.begin();
    for (int64_t i = 0; i < shape.length; ++i) {
      const bool asked = question != sequence.questions.end() && question->at == i;
      Segment step;
      step.past = past.get();
      step.vectors = std::span(vectors).subspan(static_cast<size_t>(i) * width, width);
      step.count = 1;
      step.wanted = asked ? 1 : 0;
      if (asked) step.logits = logits;
      network.forward({&step, 1});
      if (!asked) continue;
      const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
      const bool right = best == sequence.ids[static_cast<size_t>(i) + 1];
      ++out.asked;
      out.right += right ? 1 : 0;
      if (i - question->pair >= far) {
        ++out.far_asked;
        out.far_right += right ? 1 : 0;
      }
      ++question;
    }
    out.context = past->counters();
    if (each && !each()) break;
  }
  return out;
}

}  // namespace tessera
