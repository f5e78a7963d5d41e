#include "tessera/eval/calibration.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tessera/base/atomic_file.h"
#include "tessera/base/error.h"
#include "tessera/base/hash.h"
#include "tessera/base/spec.h"
#include "tessera/text/corpus.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

// Below this a model hardly does the task, and no gain on it means anything; above the other it
// does nearly all of it.
constexpr double kOverChance = 0.1, kCeiling = 0.95;
constexpr int64_t kRandomDraws = 5;
constexpr int64_t kLeastItems = 8;

std::vector<HeadId> ids(const std::vector<ActHead>& heads) {
  std::vector<HeadId> out;
  out.reserve(heads.size());
  for (const ActHead& h : heads) out.push_back(h.id);
  return out;
}

template <class Get>
CalibrationGain compare(const std::vector<ChoiceResult>& a, const std::vector<ChoiceResult>& b,
                        uint64_t seed, Get get) {
  std::vector<double> values;
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    values.push_back(get(b[i]) - get(a[i]));
    sum += values.back();
  }
  const Interval i = bootstrap_mean(values, seed);
  return {sum / static_cast<double>(values.size()), i.low, i.high};
}

}  // namespace

CalibrationSets calibration_sets(const std::vector<ChoiceItem>& items,
                                 const std::array<int64_t, 3>& wanted, const std::string& where) {
  const int64_t all = wanted[0] + wanted[1] + wanted[2];
  const auto n = static_cast<int64_t>(items.size());
  const int64_t sizes[2] = {wanted[0] * n / all, wanted[1] * n / all};
  if (sizes[0] < kLeastItems || sizes[1] < kLeastItems || n - sizes[0] - sizes[1] < kLeastItems) {
    throw Error(where, fmt::format("gives {} items, which is too few for three disjoint sets", n),
                "Give at least 8 for each of --search, --choose and --test.");
  }
  CalibrationSets out;
  auto at = items.begin();
  for (size_t i = 0; i < 3; ++i) {
    const auto end = i < 2 ? at + sizes[i] : items.end();
    out[i].assign(at, end);
    at = end;
  }
  return out;
}

Calibration::Calibration(LanguageModel& model, const Tokenizer& tokenizer, std::string weights,
                         CalibrationSets sets, CalibrationOptions options)
    : model_(model), weights_(std::move(weights)), sets_(std::move(sets)), o_(std::move(options)) {
  for (const auto& set : sets_) readers_.emplace_back(tokenizer, set);
  double n = 0;
  for (const auto& set : sets_) {
    for (const ChoiceItem& item : set) {
      result_.chance += 1 / static_cast<double>(item.choices.size());
      ++n;
    }
  }
  result_.chance /= n;
}

int64_t Calibration::work() const {
  const auto heads = static_cast<int64_t>(o_.candidates.size());
  const auto betas = static_cast<int64_t>(o_.betas.size());
  return (heads + 2) * items(0) + (1 + betas) * items(1) + (4 + kRandomDraws) * items(2);
}

int64_t Calibration::tokens() const {
  const auto heads = static_cast<int64_t>(o_.candidates.size());
  const auto betas = static_cast<int64_t>(o_.betas.size());
  return (heads + 2) * readers_[0].tokens() + (1 + betas) * readers_[1].tokens() +
         (4 + kRandomDraws) * readers_[2].tokens();
}

std::optional<CalibrationResult> Calibration::run() {
  try {
    read_log();
    search();
    finish();
    return result_;
  } catch (const Stopped&) {
    return std::nullopt;
  }
}

std::string Calibration::spec(const std::vector<HeadId>& heads, double beta) const {
  Spec s{"act", {}};
  if (heads.empty()) return "full";
  s.options = {{"heads", heads_text(heads)},
               {"beta", fmt::format("{}", beta)},
               {"tau", fmt::format("{}", o_.rule.tau)},
               {"alpha", fmt::format("{}", o_.rule.alpha)},
               {"min_queries", std::to_string(o_.rule.min_queries)},
               {"mode", o_.mode}};
  return s.text();
}

std::vector<ChoiceResult> Calibration::evaluate(size_t set, const std::vector<HeadId>& heads,
                                                double beta) {
  const std::string policy = spec(heads, beta);
  bool stopped = false;
  auto out = readers_[set].results(
      model_, [&] { return model_.network().new_past(policy); },
      [&](int64_t n) {
        stopped = o_.each && !o_.each(n);
        return !stopped;
      });
  if (stopped) throw Stopped{};
  return out;
}

std::string Calibration::log_head() const {
  Json items = Json::array();
  for (const auto& set : sets_) {
    Hash64 hash;
    for (const ChoiceItem& item : set) {
      hash.add(item.prompt);
      for (const std::string& c : item.choices) hash.add(c);
    }
    items.push_back(hash_text(hash.value()));
  }
  const Json head = {{"weights", weights_}, {"items", items},
                     {"tau", o_.rule.tau},  {"alpha", o_.rule.alpha},
                     {"beta", o_.beta},     {"min_queries", o_.rule.min_queries},
                     {"mode", o_.mode},     {"program", o_.program}};
  return head.dump() + "\n";
}

// Heads that an earlier run of the same search has tried are not tried again.
void Calibration::read_log() {
  if (o_.log.empty()) return;
  std::string whole = log_head();
  if (std::filesystem::exists(o_.log)) {
    std::istringstream lines(read_text(o_.log));
    std::string line;
    std::getline(lines, line);
    if (line + "\n" != whole) {
      throw Error(o_.log, "is of another search", "Delete it, or give another -o.");
    }
    while (std::getline(lines, line)) {
      const Json j = Json::parse(line, nullptr, false);
      const auto number = [&](const char* key) { return j.contains(key) && j[key].is_number(); };
      // Cut off by a stop, or damaged.
      if (!number("layer") || !number("head") || !number("accuracy") || !number("nll")) continue;
      const HeadId id{j["layer"].get<int64_t>(), j["head"].get<int64_t>()};
      done_[id] = {items(0), j["accuracy"].get<double>(), j["nll"].get<double>()};
      whole += line + "\n";
    }
  }
  write_file(o_.log, whole);
}

void Calibration::search() {
  std::ofstream log;
  if (!o_.log.empty()) log.open(o_.log, std::ios::app);
  plain_ = means_of(evaluate(0, {}, 1));
  for (const HeadId& id : o_.candidates) {
    if (const auto known = done_.find(id); known != done_.end()) {
      trials_.push_back({id, known->second});
      if (o_.each && !o_.each(items(0))) throw Stopped{};
      continue;
    }
    const ChoiceMeans m = means_of(evaluate(0, {id}, o_.beta));
    trials_.push_back({id, m});
    if (o_.log.empty()) continue;
    log << Json({{"layer", id.layer}, {"head", id.head}, {"accuracy", m.accuracy}, {"nll", m.nll}})
               .dump()
        << "\n"
        << std::flush;
    if (!log) throw Error(o_.log, "cannot be written; the disk may be full");
  }
}

void Calibration::record(const std::string& set, const std::string& what,
                         const ChoiceMeans& means) {
  result_.file.scores.push_back({set, what, means.n, means.accuracy, means.nll});
}

// The union, its beta, and the held-out comparison.
void Calibration::finish() {
  ActFile& file = result_.file;
  file.weights = weights_;
  const ModelDescription& d = model_.network().description();
  file.layers = d.layers;
  file.heads = d.heads;
  file.rule = o_.rule;
  file.mode = o_.mode;
  file.seed = o_.seed;
  file.beta = o_.beta;
  file.chosen = kept_heads(plain_, trials_, o_.keep);
  for (size_t s = 0; s < 2; ++s) {
    for (const ChoiceItem& item : sets_[s]) file.items.push_back(hash_text(hash_of(item.text)));
  }
  result_.tried = static_cast<int64_t>(trials_.size());
  record("search", "plain", plain_);
  const auto heads = ids(file.chosen);
  if (heads.empty()) {
    result_.verdict = "no head helped on the items of the search: no reliable gain";
  } else {
    record("search", "act", means_of(evaluate(0, heads, o_.beta)));
    choose_beta(heads);
  }
  const auto plain = evaluate(2, {}, 1);
  const ChoiceMeans base = means_of(plain);
  record("test", "plain", base);
  if (!heads.empty()) {
    const auto act = evaluate(2, heads, file.beta);
    record("test", "act", means_of(act));
    result_.accuracy =
        compare(plain, act, o_.seed, [](const ChoiceResult& r) { return r.right ? 1.0 : 0.0; });
    result_.nll = compare(plain, act, o_.seed, [](const ChoiceResult& r) { return r.nll; });
    controls(heads);
    result_.reliable = result_.accuracy.low > 0;
    result_.verdict = fmt::format(
        "ACT minus plain on {} held-out items: {:+.1f} points of accuracy ({:+.1f} to {:+.1f}): {}",
        base.n, 100 * result_.accuracy.mean, 100 * result_.accuracy.low,
        100 * result_.accuracy.high, result_.reliable ? "a gain" : "no reliable gain");
  }
  say_what_items_can_show(base);
}

void Calibration::say_what_items_can_show(const ChoiceMeans& plain) {
  if (plain.accuracy > kCeiling) {
    result_.can_show_none = true;
    result_.verdict +=
        fmt::format("; void: plain has {:.1f} %, so that these items can show hardly any",
                    100 * plain.accuracy);
  }
  if (plain.accuracy < result_.chance + kOverChance) {
    result_.can_show_none = true;
    result_.verdict += fmt::format(
        "; void: plain has {:.1f} %, chance is {:.1f} %, so that these items can show "
        "none",
        100 * plain.accuracy, 100 * result_.chance);
  }
}

void Calibration::choose_beta(const std::vector<HeadId>& heads) {
  record("choose", "plain", means_of(evaluate(1, {}, 1)));
  bool first = true;
  ChoiceMeans best;
  for (const double beta : o_.betas) {
    const ChoiceMeans m = means_of(evaluate(1, heads, beta));
    record("choose", fmt::format("act beta={}", beta), m);
    // By the log-probability, which differs where so few items give equal accuracies.
    if (first || m.nll < best.nll) {
      best = m;
      result_.file.beta = beta;
      first = false;
    }
  }
}

void Calibration::controls(const std::vector<HeadId>& heads) {
  const double beta = result_.file.beta;
  record("test", "all heads", means_of(evaluate(2, o_.candidates, beta)));
  record("test", "heads that hurt most",
         means_of(evaluate(2, worst_heads(trials_, heads.size()), beta)));
  for (int64_t draw = 0; draw < kRandomDraws; ++draw) {
    const auto some = random_heads(trials_, heads.size(), o_.seed, static_cast<uint64_t>(draw));
    record("test", fmt::format("random heads {}", draw + 1), means_of(evaluate(2, some, beta)));
  }
}

}  // namespace tessera
