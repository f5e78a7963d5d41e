#include "apps/tessera/linguistic_report.h"

#include <utility>

#include <fmt/format.h>

#include "apps/tessera/human.h"

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;

double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

Json json_of(const ValidCounts& c) {
  return {{"n", c.all}, {"valid", share(c.valid, c.all)}, {"pure", share(c.pure, c.all)}};
}

Json json_of(const ScopedCounts& c) {
  return {{"all", json_of(c.all)}, {"word_like", json_of(c.words)}};
}

Json json_of(const BoundaryCounts& c) {
  return {{"precision", c.precision()}, {"recall", c.recall()}, {"f1", c.f1()}};
}

Json json_of(const LinguisticResult& r) {
  Json classes = Json::object();
  for (size_t i = 0; i < kUnitClasses; ++i) {
    classes[std::string(name_of(static_cast<UnitClass>(i)))] = r.classes[i];
  }
  Json out = {{"types", json_of(r.types)},
              {"occurrences", json_of(r.occurrences)},
              {"null_types", json_of(r.null_types)},
              {"null_occurrences", json_of(r.null_occurrences)},
              {"tokens_by_class", classes}};
  if (r.gold_words > 0) {
    out["boundaries"] = json_of(r.boundaries);
    out["null_boundaries"] = json_of(r.null_boundaries);
  }
  return out;
}

}  // namespace

LinguisticReport::LinguisticReport(std::shared_ptr<const Tokenizer> a,
                                   std::shared_ptr<const Tokenizer> b, const std::string& language,
                                   const std::string& roots, const std::string& gold, bool strict)
    : language_(Language::open(language, roots)),
      strict_(strict),
      a_(std::move(a), language_, {.strict = strict}),
      b_(std::move(b), language_, {.strict = strict}) {
  if (gold.empty()) return;
  const auto words = read_gold(gold);
  a_.add_gold(words);
  b_.add_gold(words);
}

void LinguisticReport::add(std::string_view text) {
  a_.add(text);
  b_.add(text);
}

std::string LinguisticReport::table() const {
  const LinguisticResult a = a_.finish(), b = b_.finish();
  std::string out = fmt::format("\n{}: {} affixes, {}, affixes {}\n", language_.name(),
                                grouped(static_cast<int64_t>(language_.affixes())),
                                language_.roots() > 0
                                    ? grouped(static_cast<int64_t>(language_.roots())) + " roots"
                                    : std::string("no list of roots"),
                                strict_ ? "in their place" : "anywhere");
  for (const std::string& line : language_.lacks()) out += line + "\n";
  const double known = share(a.known_words, a.words);
  if (a.words > 0 && known < 0.3) {
    out += fmt::format("only {:.0f} % of the texts' words are known: is this the language?\n",
                       100 * known);
  }
  const auto row = [&](std::string_view what, const std::string& x, const std::string& y) {
    out += fmt::format("{:<34}{:>16}{:>16}\n", what, x, y);
  };
  const auto shares = [&](std::string_view what, const ScopedCounts LinguisticResult::* counts,
                          const ScopedCounts LinguisticResult::* null,
                          ValidCounts ScopedCounts::* scope, int64_t ValidCounts::* kind) {
    const auto cell = [&](const LinguisticResult& r) {
      const ValidCounts& c = r.*counts.*scope;
      const ValidCounts& n = r.*null.*scope;
      const double ours = 100 * share(c.*kind, c.all), theirs = 100 * share(n.*kind, n.all);
      return fmt::format("{:.1f} {:+.1f}", ours, ours - theirs);
    };
    row(what, cell(a), cell(b));
  };
  using R = LinguisticResult;
  row("", "A  over null", "B  over null");
  shares("valid types, %", &R::types, &R::null_types, &ScopedCounts::all, &ValidCounts::valid);
  shares("  of word-like ones", &R::types, &R::null_types, &ScopedCounts::words,
         &ValidCounts::valid);
  shares("valid tokens, %", &R::occurrences, &R::null_occurrences, &ScopedCounts::all,
         &ValidCounts::valid);
  shares("  of word-like ones", &R::occurrences, &R::null_occurrences, &ScopedCounts::words,
         &ValidCounts::valid);
  shares("pure types, %", &R::types, &R::null_types, &ScopedCounts::all, &ValidCounts::pure);
  shares("pure tokens, %", &R::occurrences, &R::null_occurrences, &ScopedCounts::all,
         &ValidCounts::pure);
  if (a.gold_words > 0) {
    const auto f1 = [](const LinguisticResult& r) {
      return fmt::format("{:.2f} {:+.2f}", r.boundaries.f1(),
                         r.boundaries.f1() - r.null_boundaries.f1());
    };
    row(fmt::format("cuts of {} words, F1", grouped(a.gold_words)), f1(a), f1(b));
  }
  return out;
}

Json LinguisticReport::json() const {
  const LinguisticResult a = a_.finish(), b = b_.finish();
  return {{"language", language_.name()},
          {"affixes", language_.affixes()},
          {"roots", language_.roots()},
          {"strict", strict_},
          {"lacks", language_.lacks()},
          {"words", a.words},
          {"known_words", share(a.known_words, a.words)},
          {"gold_words", a.gold_words},
          {"a", json_of(a)},
          {"b", json_of(b)}};
}

}  // namespace tessera::cli
