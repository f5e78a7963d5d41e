#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/tessera/linguistic_report.h"
#include "apps/tessera/number_checks.h"
#include "apps/tessera/verb.h"
#include "tessera/base/atomic_file.h"
#include "tessera/eval/text_noise.h"
#include "tessera/text/corpus.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/compare.h"
#include "tessera/tokenizer/cut_page.h"
#include "tessera/tokenizer/model_tokenizer.h"
#include "tessera/tokenizer/probes.h"
#include "tessera/tokenizer/terms.h"

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;

struct CompareOptions {
  CommonOptions common;
  std::string a, b, html, field = "text";
  std::vector<std::string> corpora;
  std::string language, roots, gold, terms;
  bool loose = false, noise = false;
  int64_t costliest = 10;
};

// Bytes for people and for JSON: what is not UTF-8 or would move the cursor becomes an escape.
std::string shown(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size();) {
    const Unit u = unit_at(bytes, i);
    if (u.code >= kInvalidByte || u.code < 0x20 || u.code == 0x7F) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes[i]));
    } else {
      out += bytes.substr(i, u.length);
    }
    i += u.length;
  }
  return out;
}

double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

Json json_of(const ComparedSide& side, const std::string& name, const TokenizerComparison& all) {
  Json words = Json::array();
  for (const CostlyWord& w : side.costliest) {
    words.push_back({{"word", shown(w.word)}, {"times", w.times}, {"tokens", w.tokens}});
  }
  return {{"name", name},
          {"size", side.size},
          {"tokens", side.tokens},
          {"tokens_per_byte", share(side.tokens, all.bytes)},
          {"shared_vocabulary", share(all.shared, side.size)},
          {"shared_tokens", share(side.shared_tokens, side.tokens)},
          {"round_trips", side.round_trips},
          {"first_lost", side.first_lost ? Json(*side.first_lost) : Json(nullptr)},
          {"characters_per_token", share(all.characters, side.tokens)},
          {"fertility", share(side.tokens, all.words)},
          {"whole_words", share(side.whole_words, all.words)},
          {"renyi_efficiency", side.renyi_efficiency},
          {"lengths", side.lengths},
          {"costliest", words}};
}

void print_table(const TokenizerComparison& c, const CompareOptions& o) {
  const auto row = [](std::string_view what, const std::string& a, const std::string& b) {
    put(fmt::format("{:<34}{:>16}{:>16}\n", what, a, b));
  };
  const auto percent = [](double x) { return fmt::format("{:.2f} %", 100 * x); };
  const auto lost = [](const ComparedSide& s) {
    return s.round_trips ? std::string("all") : fmt::format("not byte {}", *s.first_lost);
  };
  row("", "A", "B");
  row("tokens of the vocabulary", std::to_string(c.a.size), std::to_string(c.b.size));
  row("byte strings in both", std::to_string(c.shared), std::to_string(c.shared));
  row("share of the vocabulary", percent(share(c.shared, c.a.size)),
      percent(share(c.shared, c.b.size)));
  row("share of the tokens in the texts", percent(share(c.a.shared_tokens, c.a.tokens)),
      percent(share(c.b.shared_tokens, c.b.tokens)));
  row("tokens of the texts", std::to_string(c.a.tokens), std::to_string(c.b.tokens));
  row("tokens a byte", fmt::format("{:.4f}", share(c.a.tokens, c.bytes)),
      fmt::format("{:.4f}", share(c.b.tokens, c.bytes)));
  row("characters a token", fmt::format("{:.2f}", share(c.characters, c.a.tokens)),
      fmt::format("{:.2f}", share(c.characters, c.b.tokens)));
  if (!o.corpora.empty()) {
    row("tokens a word", fmt::format("{:.2f}", share(c.a.tokens, c.words)),
        fmt::format("{:.2f}", share(c.b.tokens, c.words)));
    row("words that are one token", percent(share(c.a.whole_words, c.words)),
        percent(share(c.b.whole_words, c.words)));
    row("Renyi efficiency, order 2.5", fmt::format("{:.4f}", c.a.renyi_efficiency),
        fmt::format("{:.4f}", c.b.renyi_efficiency));
  }
  row("texts that come back", lost(c.a), lost(c.b));
  put(fmt::format("\nvocabularies {}, ids of {} texts ({} bytes) {}\n",
                  c.same_vocabulary ? "equal" : "differ", c.texts, c.bytes,
                  c.same_ids ? "equal" : "differ"));
  if (!c.same_ids) put(fmt::format("first text with other ids: {}\n", shown(c.first_difference)));
  if (o.corpora.empty()) return;
  for (const auto& [name, side] : {std::pair{"A", &c.a}, std::pair{"B", &c.b}}) {
    put(fmt::format("\ncostliest words of {}\n", name));
    for (const CostlyWord& w : side->costliest) {
      put(fmt::format("{:>10} times {:>4} tokens  {}\n", w.times, w.tokens, shown(w.word)));
    }
  }
}

// How much of both tokenizers' cuts survives noise, over the first lines of the corpus.
struct NoisePair {
  static constexpr int64_t kMostLines = 2000;
  static constexpr size_t kLongest = 2000;  // bytes of a line that are looked at
  NoiseStability a, b;
  int64_t lines = 0;

  void add(const Tokenizer& of_a, const Tokenizer& of_b, std::string_view text) {
    each_line(text, [&](std::string_view line) {
      if (line.empty() || lines >= kMostLines) return;
      ++lines;
      line = line.substr(0, kLongest);
      line.remove_suffix(incomplete_tail(line));
      a.add(of_a, line);
      b.add(of_b, line);
    });
  }
  std::string table() const {
    return fmt::format(
        "\nby noise at {} places of {} lines\n{:<34}{:>16.2f}{:>16.2f}\n{:<34}{:>14.1f} %{:>14.1f} "
        "%\n{:<34}{:>14.1f} %{:>14.1f} %\n",
        a.character_edits, lines, "token edits a character edit", a.rate(), b.rate(), "more tokens",
        100 * a.growth(), 100 * b.growth(), "cuts that stay", 100 * a.kept(), 100 * b.kept());
  }
  Json json() const {
    const auto side = [](const NoiseStability& s) {
      return Json(
          {{"token_edits_per_edit", s.rate()}, {"growth", s.growth()}, {"cuts_kept", s.kept()}});
    };
    return {{"lines", lines}, {"edits", a.character_edits}, {"a", side(a)}, {"b", side(b)}};
  }
};

// What terms cost on both sides.
class TermTable {
 public:
  TermTable(const Tokenizer& a, const Tokenizer& b, const std::vector<std::string>& terms) {
    for (const std::string& term : terms) {
      rows_.push_back({term, term_cost(a, term), term_cost(b, term)});
    }
  }
  std::string table() const {
    std::string out =
        fmt::format("\n{:<34}{:>16}{:>16}\n", "tokens alone / behind a space", "A", "B");
    for (const Row& row : rows_) {
      const auto cell = [](const TermCost& c) {
        return fmt::format("{} / {}", c.bare, c.behind_space);
      };
      out += fmt::format("{:<34}{:>16}{:>16}\n", shown(row.term), cell(row.a), cell(row.b));
    }
    const auto cell = [&](TermCost Row::* side) {
      return fmt::format("{:.2f} / {:.2f}", mean(side, &TermCost::bare),
                         mean(side, &TermCost::behind_space));
    };
    return out + fmt::format("{:<34}{:>16}{:>16}\n", fmt::format("mean of {}", rows_.size()),
                             cell(&Row::a), cell(&Row::b));
  }
  Json json() const {
    const auto cost = [](const TermCost& c) {
      return Json({{"bare", c.bare}, {"behind_space", c.behind_space}});
    };
    Json terms = Json::array();
    for (const Row& row : rows_) {
      terms.push_back({{"term", shown(row.term)}, {"a", cost(row.a)}, {"b", cost(row.b)}});
    }
    const auto means = [&](TermCost Row::* side) {
      return Json({{"bare", mean(side, &TermCost::bare)},
                   {"behind_space", mean(side, &TermCost::behind_space)}});
    };
    return {{"list", terms}, {"mean_a", means(&Row::a)}, {"mean_b", means(&Row::b)}};
  }

 private:
  struct Row {
    std::string term;
    TermCost a, b;
  };
  double mean(TermCost Row::* side, int64_t TermCost::* what) const {
    int64_t sum = 0;
    for (const Row& row : rows_) sum += row.*side.*what;
    return share(sum, static_cast<int64_t>(rows_.size()));
  }
  std::vector<Row> rows_;
};

// Of a list by name, else the lines of a file. Throws Error where there are none.
std::vector<std::string> terms_of(const std::string& named) {
  std::vector<std::string> out;
  for (const std::string_view term : known_terms(named)) out.emplace_back(term);
  if (!out.empty()) return out;
  constexpr size_t kMost = 100000;
  read_lines(named, [&](std::string_view line) {
    if (out.size() == kMost) throw Error(named, fmt::format("holds more than {} terms", kMost));
    if (!line.empty()) out.emplace_back(line);
  });
  if (out.empty()) throw Error(named, "holds no term", "Write one a line.");
  return out;
}

// What the tokenizers make of each of several corpora: the same comparison, corpus by corpus.
class CorpusTable {
 public:
  CorpusTable(std::shared_ptr<const Tokenizer> a, std::shared_ptr<const Tokenizer> b)
      : a_(std::move(a)), b_(std::move(b)) {}

  void begin(const std::string& path) {
    end();
    name_ = std::filesystem::path(path).stem().string();
    comparer_.emplace(a_, b_);
  }
  void add(std::string_view text) {
    if (comparer_) comparer_->add(text);
  }
  void end() {
    if (comparer_) rows_.emplace_back(name_, comparer_->finish(0));
    comparer_.reset();
  }
  std::string table() const {
    std::string out = fmt::format("\n{:<20}{:>12}{:>12}{:>10}{:>20}{:>15}{:>18}\n",
                                  "of each: A, then B", "tokens", "tokens", "B to A",
                                  "characters a token", "tokens a word", "words one token");
    for (const auto& [name, c] : rows_) {
      const auto both = [](double of_a, double of_b) {
        return fmt::format("{:.2f} {:.2f}", of_a, of_b);
      };
      const double more = 100 * (share(c.b.tokens, c.a.tokens) - 1);
      const std::string growth = c.a.tokens == 0 ? "-" : fmt::format("{:+.1f} %", more);
      out += fmt::format("{:<20}{:>12}{:>12}{:>10}{:>20}{:>15}{:>18}\n", shown(name), c.a.tokens,
                         c.b.tokens, growth,
                         both(share(c.characters, c.a.tokens), share(c.characters, c.b.tokens)),
                         both(share(c.a.tokens, c.words), share(c.b.tokens, c.words)),
                         fmt::format("{:.1f} % {:.1f} %", 100 * share(c.a.whole_words, c.words),
                                     100 * share(c.b.whole_words, c.words)));
    }
    return out;
  }
  Json json() const {
    Json out = Json::array();
    for (const auto& [name, c] : rows_) {
      out.push_back({{"name", shown(name)},
                     {"texts", c.texts},
                     {"bytes", c.bytes},
                     {"characters", c.characters},
                     {"words", c.words},
                     {"a", json_of(c.a, "a", c)},
                     {"b", json_of(c.b, "b", c)}});
    }
    return out;
  }

 private:
  std::shared_ptr<const Tokenizer> a_, b_;
  std::string name_;
  std::optional<TokenizerComparer> comparer_;
  std::vector<std::pair<std::string, TokenizerComparison>> rows_;
};

// The first lines of each corpus that are long enough to show something.
class Paragraphs {
 public:
  // corpora: among which the lines are shared out
  explicit Paragraphs(size_t corpora) : each_(std::max<size_t>(kMost / corpora, 1)) {}
  void begin() { limit_ = kept_.size() + each_; }
  void add(std::string_view text) {
    while (!text.empty() && kept_.size() < limit_) {
      const size_t end = std::min(text.find('\n'), text.size());
      if (end >= kLeast) {
        std::string_view line = text.substr(0, std::min(end, kLongest));
        line.remove_suffix(incomplete_tail(line));
        kept_.emplace_back(line);
      }
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
  const std::vector<std::string>& kept() const { return kept_; }

 private:
  static constexpr size_t kMost = 12, kLeast = 60, kLongest = 2000;
  size_t each_, limit_ = 0;
  std::vector<std::string> kept_;
};

int compare(const CompareOptions& options) {
  if (!options.html.empty() && options.corpora.empty()) {
    throw WrongCommand("--html", "shows texts, and none are named", "Add --corpus.");
  }
  if (options.language.empty() && !(options.roots.empty() && options.gold.empty())) {
    throw WrongCommand(options.roots.empty() ? "--gold" : "--roots", "belongs to a language",
                       "Add --language, as in --language tr.");
  }
  if (!options.language.empty() && options.corpora.empty()) {
    throw WrongCommand("--language", "judges the tokens of texts, and none are named",
                       "Add --corpus.");
  }
  const auto a = open_tokenizer(options.a), b = open_tokenizer(options.b);
  std::optional<LinguisticReport> linguistic;
  if (!options.language.empty()) {
    linguistic.emplace(a, b, options.language, options.roots, options.gold, !options.loose);
  }
  if (options.noise && options.corpora.empty()) {
    throw WrongCommand("--noise", "spoils texts, and none are named", "Add --corpus.");
  }
  constexpr size_t kPairs = 200;
  const bool own_terms = options.terms == "pairs";
  if (own_terms && options.corpora.empty()) {
    throw WrongCommand("--terms pairs", "takes terms from texts, and none are named",
                       "Add --corpus.");
  }
  std::vector<std::string> terms;
  if (!options.terms.empty() && !own_terms) terms = terms_of(options.terms);
  WordPairs pairs;
  NoisePair noise;
  TokenizerComparer comparer(a, b);
  const bool several = options.corpora.size() > 1;
  CorpusTable each(a, b);
  if (options.corpora.empty()) {
    for (const auto& side : {a, b}) {
      for (const std::string& text : probe_texts(side->vocabulary(), {})) comparer.add(text);
    }
  } else {
    Paragraphs paragraphs(options.corpora.size());
    for (const std::string& corpus : options.corpora) {
      if (several) each.begin(corpus);
      paragraphs.begin();
      read_corpus(corpus, options.field, [&](std::string_view text) {
        comparer.add(text);
        if (several) each.add(text);
        if (linguistic) linguistic->add(text);
        if (options.noise) noise.add(*a, *b, text);
        if (own_terms) pairs.add(text);
        if (!options.html.empty()) paragraphs.add(text);
      });
    }
    each.end();
    if (!options.html.empty()) {
      const NamedTokenizer both[] = {{options.a, a}, {options.b, b}};
      write_file(options.html, cut_page(both, paragraphs.kept()));
    }
  }
  if (own_terms) terms = pairs.top(kPairs);
  const TermTable costs(*a, *b, terms);
  const TokenizerComparison found = comparer.finish(static_cast<size_t>(options.costliest));
  if (!options.common.json) {
    print_table(found, options);
    if (several) put(each.table());
    if (linguistic) put(linguistic->table());
    if (options.noise) put(noise.table());
    if (!terms.empty()) put(costs.table());
    return kDone;
  }
  Json json = {
      {"equal", found.same_vocabulary && found.same_ids},
      {"same_vocabulary", found.same_vocabulary},
      {"same_ids", found.same_ids},
      {"first_difference", found.same_ids ? Json(nullptr) : Json(shown(found.first_difference))},
      {"shared", found.shared},
      {"texts", found.texts},
      {"bytes", found.bytes},
      {"characters", found.characters},
      {"words", found.words},
      {"a", json_of(found.a, options.a, found)},
      {"b", json_of(found.b, options.b, found)}};
  if (several) json["corpora"] = each.json();
  if (linguistic) json["linguistic"] = linguistic->json();
  if (options.noise) json["noise"] = noise.json();
  if (!terms.empty()) json["terms"] = costs.json();
  put(json.dump() + "\n");
  return kDone;
}

}  // namespace

Verb verb_tokenizer_compare() {
  return {
      "tokenizer compare", "what two vocabularies share, and what each makes of a text",
      [](CLI::App& app) {
        auto options = std::make_shared<CompareOptions>();
        teach(app, "  tessera tokenizer compare mine.json theirs.json --corpus book.txt");
        add_json(app, options->common);
        app.add_option("a", options->a, "a tokenizer file, or a model")->type_name("A")->required();
        app.add_option("b", options->b, "another one")->type_name("B")->required();
        app.add_option("--corpus", options->corpora,
                       "texts to measure on: a file, a folder, or -; given several times, each is "
                       "also measured alone [random probes]")
            ->type_name("F|DIR|-")
            ->allow_extra_args(false);
        app.add_option("--html", options->html,
                       "a page to write that shows how both cut the first paragraphs, in colours")
            ->type_name("FILE");
        app.add_option("--field", options->field,
                       "the member of .jsonl lines that holds the text [text]")
            ->type_name("NAME");
        app.add_option("--language", options->language,
                       "how many tokens are words, roots or affixes of it: tr, a dictionary of "
                       "hunspell, or the file of a language")
            ->type_name("NAME|FILE");
        app.add_option("--roots", options->roots, "the language's roots, one a line [its own]")
            ->type_name("FILE");
        app.add_option("--gold", options->gold,
                       "words with spaces at their right cuts, one a line, to measure cuts by")
            ->type_name("FILE");
        app.add_flag("--loose", options->loose,
                     "affixes count anywhere, words and roots also within words");
        app.add_flag("--noise", options->noise,
                     "how much of the cuts survives wrong characters and spaces (seeded)");
        app.add_option("--terms", options->terms,
                       "what single terms cost: legal, financial, pairs (200 neighbouring words "
                       "that tell the corpus from other texts), or a file of terms, one a line")
            ->type_name("NAME|FILE");
        app.add_option("--costliest", options->costliest, "words to list [10]")
            ->type_name("N")
            ->check(from_zero());
        return [options] { return compare(*options); };
      }};
}

}  // namespace tessera::cli
