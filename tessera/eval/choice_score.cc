#include "tessera/eval/choice_score.h"

#include <algorithm>
#include <cmath>

#include "tessera/base/error.h"
#include "tessera/base/random.h"
#include "tessera/kernels/kernels.h"

namespace tessera {
namespace {

// Rows of the prompts' pass and of the answers' one, above which no further item joins; each of the
// latter takes logits.
constexpr size_t kRows = 480, kAnswerRows = 64;

// log of the probability of `id` under logits, which are destroyed.
double logprob(float* logits, int64_t vocabulary, int32_t id) {
  const double target = logits[id];
  return target - kernels().softmax(logits, vocabulary);
}

}  // namespace

ChoiceMeans means_of(std::span<const ChoiceResult> results) {
  ChoiceMeans m;
  for (const ChoiceResult& r : results) {
    ++m.n;
    m.accuracy += r.right ? 1 : 0;
    m.nll += r.nll;
  }
  if (m.n > 0) {
    m.accuracy /= static_cast<double>(m.n);
    m.nll /= static_cast<double>(m.n);
  }
  return m;
}

ChoiceReader::ChoiceReader(const Tokenizer& tokenizer, std::span<const ChoiceItem> items) {
  EncodeOptions plain;
  plain.add_template = false;
  for (const ChoiceItem& from : items) {
    Item item;
    if (const auto bos = tokenizer.bos(); bos && tokenizer.adds_bos()) item.prompt = {*bos};
    const auto ids = tokenizer.encode(from.prompt, plain).ids;
    item.prompt.insert(item.prompt.end(), ids.begin(), ids.end());
    item.gold = static_cast<size_t>(from.gold);
    tokens_ += static_cast<int64_t>(item.prompt.size());
    for (const std::string& choice : from.choices) {
      item.choices.push_back(tokenizer.encode(choice, plain).ids);
      if (item.choices.back().empty() || item.prompt.empty()) {
        throw Error("item", "its prompt or an answer has no tokens", "Give text for both.");
      }
      tokens_ += static_cast<int64_t>(item.choices.back().size()) - 1;
    }
    items_.push_back(std::move(item));
  }
}

std::vector<ChoiceResult> ChoiceReader::results(
    CausalModel& model, const std::function<std::unique_ptr<Past>()>& new_past,
    const std::function<bool(int64_t)>& each) const {
  const int64_t vocabulary = model.vocabulary_size();
  const auto width = static_cast<size_t>(vocabulary);
  std::vector<ChoiceResult> out;
  std::vector<float> logits;
  std::vector<std::unique_ptr<Past>> pasts, forks;
  std::vector<CausalModel::Item> batch;
  for (size_t begin = 0; begin < items_.size();) {
    size_t end = begin, rows = 0, more = 0;
    while (end < items_.size()) {
      size_t answers = 0;
      for (const auto& choice : items_[end].choices) answers += choice.size() - 1;
      rows += items_[end].prompt.size();
      if (end > begin && (rows > kRows || more + answers > kAnswerRows)) break;
      more += answers;
      ++end;
    }
    // The prompts, whose last row gives the first token of each answer.
    pasts.clear();
    batch.clear();
    logits.resize((end - begin) * width);
    for (size_t i = begin; i < end; ++i) {
      pasts.push_back(new_past());
      pasts.back()->announce(static_cast<int64_t>(items_[i].prompt.size()));
      batch.push_back({pasts.back().get(),
                       items_[i].prompt,
                       {},
                       std::span(logits).subspan((i - begin) * width, width),
                       1});
    }
    model.forward(batch);
    std::vector<std::vector<double>> sums(end - begin);
    for (size_t i = begin; i < end; ++i) {
      float* row = logits.data() + (i - begin) * width;
      std::vector<float> firsts;
      for (const auto& choice : items_[i].choices) firsts.push_back(row[choice[0]]);
      const double total = kernels().softmax(row, vocabulary);
      for (float first : firsts) sums[i - begin].push_back(static_cast<double>(first) - total);
    }
    // The rest of the answers, each on a fork.
    forks.clear();
    batch.clear();
    size_t at = 0;
    logits.resize(more * width);
    for (size_t i = begin; i < end; ++i) {
      for (const auto& choice : items_[i].choices) {
        const size_t n = choice.size() - 1;
        if (n == 0) continue;
        forks.push_back(pasts[i - begin]->fork());
        batch.push_back({forks.back().get(),
                         std::span(choice).first(n),
                         {},
                         std::span(logits).subspan(at * width, n * width),
                         static_cast<int64_t>(n)});
        at += n;
      }
    }
    if (!batch.empty()) model.forward(batch);
    at = 0;
    for (size_t i = begin; i < end; ++i) {
      const Item& item = items_[i];
      std::vector<double>& s = sums[i - begin];
      for (size_t c = 0; c < s.size(); ++c) {
        for (size_t t = 1; t < item.choices[c].size(); ++t, ++at) {
          s[c] += logprob(logits.data() + at * width, vocabulary, item.choices[c][t]);
        }
      }
      ChoiceResult r{true, -s[item.gold]};
      for (size_t c = 0; c < s.size(); ++c) {
        r.right = r.right && (c == item.gold || s[c] < s[item.gold]);
      }
      if (!std::isfinite(r.nll)) {
        throw Error("item " + std::to_string(i), "its answer's log-probability is not finite",
                    "The weights are damaged, or hold values that are not numbers.");
      }
      out.push_back(r);
    }
    if (each && !each(static_cast<int64_t>(end - begin))) return out;
    begin = end;
  }
  return out;
}

Interval bootstrap_mean(std::span<const double> values, uint64_t seed) {
  constexpr size_t kDraws = 2000;
  if (values.empty()) return {0, 0};
  Random random(seed);
  std::vector<double> means(kDraws);
  for (double& mean : means) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += values[random.below(values.size())];
    mean = sum / static_cast<double>(values.size());
  }
  std::sort(means.begin(), means.end());
  return {means[kDraws / 40], means[kDraws - 1 - kDraws / 40]};
}

}  // namespace tessera
