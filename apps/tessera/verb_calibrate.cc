#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/tessera/heat_map.h"
#include "apps/tessera/session.h"
#include "apps/tessera/sinks_of_text.h"
#include "tessera/base/atomic_file.h"
#include "tessera/base/error.h"
#include "tessera/base/hash.h"
#include "tessera/base/progress.h"
#include "tessera/base/spec.h"
#include "tessera/eval/choice_score.h"
#include "tessera/eval/head_search.h"
#include "tessera/files/weights_hash.h"
#include "tessera/text/corpus.h"

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

// Below this a model hardly does the task, and no gain on it means anything; above the other it
// does nearly all of it.
constexpr double kOverChance = 0.1, kCeiling = 0.95;
constexpr int kRandomDraws = 5;

struct Calibrate {
  CommonOptions common;
  std::string file, output;
  bool report = false;
  std::string svg;
  LabelledOptions labelled;
  int64_t search = 16, choose = 60, test = 200;
  std::string layers;
  std::vector<double> betas = {0.2, 0.4, 0.6};
  double beta = 0.4;
  SinkRule rule{.min_queries = 16};
  std::string mode = "prompt";
  KeepRule keep;
  std::string keep_by = "accuracy";
  uint64_t seed = 1;
};

std::vector<ChoiceItem> items_of(const Calibrate& o) {
  const int64_t most = o.search + o.choose + o.test;
  if (fs::path(o.file).extension() != ".jsonl" && fs::path(o.file).extension() != ".ndjson") {
    ClozeOptions cloze;
    cloze.seed = o.seed;
    return cloze_items(read_text(o.file), most, cloze);
  }
  std::vector<LabelledText> texts;
  std::istringstream lines(read_text(o.file));
  std::string line;
  for (int64_t at = 1; std::getline(lines, line); ++at) {
    if (line.empty()) continue;
    const Json j = Json::parse(line, nullptr, false);
    if (!j.is_object() || !j.contains("text") || !j["text"].is_string() || !j.contains("label") ||
        !j["label"].is_string()) {
      throw Error(fmt::format("{}:{}", o.file, at), "is no object with a text and a label",
                  "Write {\"text\":\"..\",\"label\":\"..\"}, one a line.");
    }
    texts.push_back({j["text"].get<std::string>(), j["label"].get<std::string>()});
  }
  auto items = labelled_items(texts, o.labelled);
  if (static_cast<int64_t>(items.size()) > most) items.resize(static_cast<size_t>(most));
  return items;
}

class HeadSearch {
 public:
  explicit HeadSearch(const Calibrate& o) : o_(o) {
    o_.labelled.seed = o.seed;
    o_.keep.accuracy = o.keep_by == "accuracy";
    if (o_.output.empty()) {
      throw WrongCommand("calibrate", "has no file to write", "Give -o act.json.");
    }
    split();
    session_ = open_session(o.common, "full");
    const ModelDescription& d = session_.model->network().description();
    layers_ = d.layers;
    heads_ = d.heads;
    weights_ = weights_hash(session_.files.tensors);
    range();
    for (size_t i = 0; i < 3; ++i) readers_.emplace_back(*session_.tokenizer, sets_[i]);
    log_path_ = o_.output + ".log";
  }

  int run() {
    open_log();
    interrupted();
    ProgressOptions shown;
    shown.label = "calibrate";
    shown.unit = "items";
    const auto heads = static_cast<int64_t>(candidates_.size());
    const auto betas = static_cast<int64_t>(o_.betas.size());
    shown.total = (heads + 2) * size(0) + (1 + betas) * size(1) + (4 + kRandomDraws) * size(2);
    if (is_terminal(STDERR_FILENO)) shown.sink = descriptor_sink(STDERR_FILENO);
    tell(
        fmt::format("tessera calibrate: {} items to search {} heads, {} to choose beta, {} held "
                    "out; {:.1f} million tokens to run",
                    size(0), heads, size(1), size(2),
                    1e-6 * static_cast<double>((heads + 2) * readers_[0].tokens() +
                                               readers_[1].tokens() * (1 + betas) +
                                               readers_[2].tokens() * (4 + kRandomDraws))));
    Progress bar(shown);
    bar_ = &bar;
    try {
      search();
      std::string line = finish();
      bar.finish();
      print();
      tell("tessera calibrate: " + line);
    } catch (const Stopped&) {
      bar.finish();
      tell("tessera calibrate: stopped; the same command goes on");
      return kInterrupted;
    }
    return kDone;
  }

 private:
  struct Stopped {};

  int64_t size(size_t set) const { return static_cast<int64_t>(sets_[set].size()); }

  // Three sets without an item in common, in the order in which items came.
  void split() {
    const auto items = items_of(o_);
    const int64_t wanted = o_.search + o_.choose + o_.test;
    const auto n = static_cast<int64_t>(items.size());
    const int64_t sizes[3] = {o_.search * n / wanted, o_.choose * n / wanted, 0};
    if (sizes[0] < 8 || sizes[1] < 8 || n - sizes[0] - sizes[1] < 8) {
      throw Error(o_.file,
                  fmt::format("gives {} items, which is too few for three disjoint sets", n),
                  "Give at least 8 for each of --search, --choose and --test.");
    }
    auto at = items.begin();
    for (size_t i = 0; i < 3; ++i) {
      const auto end = i < 2 ? at + sizes[i] : items.end();
      sets_[i].assign(at, end);
      at = end;
    }
    for (const ChoiceItem& item : items) {
      chance_ += 1 / static_cast<double>(item.choices.size()) / static_cast<double>(n);
    }
  }

  // The heads that are tried: of --layers, else of all but the first two layers and the last.
  void range() {
    int64_t first = 2, last = layers_ - 2;
    if (!o_.layers.empty()) {
      char rest = 0;
      const int read = std::sscanf(o_.layers.c_str(), "%ld-%ld%c", &first, &last, &rest);
      if (read == 1) last = first;
      if (read < 1 || read > 2 || first < 2 || last > layers_ - 2 || first > last) {
        throw Error("--layers " + o_.layers, "is no range of layers that can be calibrated",
                    fmt::format("Give FIRST-LAST within 2-{}.", layers_ - 2));
      }
    }
    for (int64_t layer = first; layer <= last; ++layer) {
      for (int64_t head = 0; head < heads_; ++head) candidates_.push_back({layer, head});
    }
    if (candidates_.empty()) {
      throw Error(session_.files.path,
                  fmt::format("has {} layers, of which none can be calibrated", layers_),
                  "Take a model of at least 4 layers.");
    }
  }

  std::string spec(const std::vector<HeadId>& heads, double beta) const {
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

  std::vector<ChoiceResult> evaluate(size_t set, const std::vector<HeadId>& heads, double beta) {
    const std::string policy = spec(heads, beta);
    auto out = readers_[set].results(
        *session_.model, [&] { return session_.model->network().new_past(policy); },
        [&](int64_t n) {
          bar_->advance(n);
          return !interrupted();
        });
    if (out.size() < sets_[set].size()) throw Stopped{};
    return out;
  }

  Json manifest() const {
    Json items = Json::array();
    for (const auto& set : sets_) {
      Hash64 hash;
      for (const ChoiceItem& item : set) {
        hash.add(item.prompt);
        for (const std::string& c : item.choices) hash.add(c);
      }
      items.push_back(hash_text(hash.value()));
    }
    return {{"weights", weights_}, {"items", items},
            {"tau", o_.rule.tau},  {"alpha", o_.rule.alpha},
            {"beta", o_.beta},     {"min_queries", o_.rule.min_queries},
            {"mode", o_.mode},     {"program", version_text()}};
  }

  // Heads that an earlier run of the same search has tried are not tried again.
  void open_log() {
    std::string whole = manifest().dump() + "\n";
    if (fs::exists(log_path_)) {
      std::istringstream lines(read_text(log_path_));
      std::string line;
      std::getline(lines, line);
      if (line + "\n" != whole) {
        throw Error(log_path_, "is of another search", "Delete it, or give another -o.");
      }
      while (std::getline(lines, line)) {
        const Json j = Json::parse(line, nullptr, false);
        const auto number = [&](const char* key) { return j.contains(key) && j[key].is_number(); };
        // Cut off by a stop, or damaged.
        if (!number("layer") || !number("head") || !number("accuracy") || !number("nll")) continue;
        const HeadId id{j["layer"].get<int64_t>(), j["head"].get<int64_t>()};
        done_[id] = {size(0), j["accuracy"].get<double>(), j["nll"].get<double>()};
        whole += line + "\n";
      }
    }
    write_file(log_path_, whole);
    log_.open(log_path_, std::ios::app);
  }

  void search() {
    plain_ = means_of(evaluate(0, {}, 1));
    for (const HeadId& id : candidates_) {
      if (const auto known = done_.find(id); known != done_.end()) {
        trials_.push_back({id, known->second});
        bar_->advance(size(0));
        continue;
      }
      const ChoiceMeans m = means_of(evaluate(0, {id}, o_.beta));
      trials_.push_back({id, m});
      log_ << Json({{"layer", id.layer},
                    {"head", id.head},
                    {"accuracy", m.accuracy},
                    {"nll", m.nll}})
                  .dump()
           << "\n"
           << std::flush;
      if (!log_) throw Error(log_path_, "cannot be written; the disk may be full");
    }
  }

  static std::vector<HeadId> ids(const std::vector<ActHead>& heads) {
    std::vector<HeadId> out;
    out.reserve(heads.size());
    for (const ActHead& h : heads) out.push_back(h.id);
    return out;
  }

  void record(const std::string& set, const std::string& what, const ChoiceMeans& m) {
    file_.scores.push_back({set, what, m.n, m.accuracy, m.nll});
  }

  // The union, its beta, the held-out comparison, and the file. Gives the verdict.
  std::string finish() {
    file_.weights = weights_;
    file_.layers = layers_;
    file_.heads = heads_;
    file_.rule = o_.rule;
    file_.mode = o_.mode;
    file_.seed = o_.seed;
    file_.beta = o_.beta;
    file_.chosen = kept_heads(plain_, trials_, o_.keep);
    for (size_t s = 0; s < 2; ++s) {
      for (const ChoiceItem& item : sets_[s]) file_.items.push_back(hash_text(hash_of(item.text)));
    }
    record("search", "plain", plain_);
    const auto heads = ids(file_.chosen);
    std::string verdict;
    if (heads.empty()) {
      verdict = "no head helped on the items of the search: no reliable gain";
    } else {
      record("search", "act", means_of(evaluate(0, heads, o_.beta)));
      choose_beta(heads);
    }
    const auto plain = evaluate(2, {}, 1);
    const ChoiceMeans base = means_of(plain);
    record("test", "plain", base);
    if (!heads.empty()) {
      const auto act = evaluate(2, heads, file_.beta);
      record("test", "act", means_of(act));
      accuracy_ = compare(plain, act, [](const ChoiceResult& r) { return r.right ? 1.0 : 0.0; });
      nll_ = compare(plain, act, [](const ChoiceResult& r) { return r.nll; });
      controls(heads);
      const bool reliable = accuracy_.low > 0;
      verdict = fmt::format(
          "ACT minus plain on {} held-out items: {:+.1f} points of accuracy ({:+.1f} to {:+.1f}): "
          "{}",
          base.n, 100 * accuracy_.mean, 100 * accuracy_.low, 100 * accuracy_.high,
          reliable ? "a gain" : "no reliable gain");
      reliable_ = reliable;
    }
    if (base.accuracy > kCeiling) {
      void_ = true;
      verdict += fmt::format("; void: plain has {:.1f} %, so that these items can show hardly any",
                             100 * base.accuracy);
    }
    if (base.accuracy < chance_ + kOverChance) {
      void_ = true;
      verdict += fmt::format(
          "; void: plain has {:.1f} %, chance is {:.1f} %, so that these items "
          "can show none",
          100 * base.accuracy, 100 * chance_);
    }
    write_act_file(o_.output, file_);
    return verdict;
  }

  void choose_beta(const std::vector<HeadId>& heads) {
    record("choose", "plain", means_of(evaluate(1, {}, 1)));
    bool first = true;
    ChoiceMeans best;
    for (const double beta : o_.betas) {
      const ChoiceMeans m = means_of(evaluate(1, heads, beta));
      record("choose", fmt::format("act beta={}", beta), m);
      // By the log-probability, which differs where so few items give equal accuracies.
      if (first || m.nll < best.nll) {
        best = m;
        file_.beta = beta;
        first = false;
      }
    }
  }

  void controls(const std::vector<HeadId>& heads) {
    record("test", "all heads", means_of(evaluate(2, candidates_, file_.beta)));
    record("test", "heads that hurt most",
           means_of(evaluate(2, worst_heads(trials_, heads.size()), file_.beta)));
    for (int draw = 0; draw < kRandomDraws; ++draw) {
      const auto some = random_heads(trials_, heads.size(), o_.seed, static_cast<uint64_t>(draw));
      record("test", fmt::format("random heads {}", draw + 1),
             means_of(evaluate(2, some, file_.beta)));
    }
  }

  struct Difference {
    double mean = 0, low = 0, high = 0;
  };
  template <class Get>
  Difference compare(const std::vector<ChoiceResult>& a, const std::vector<ChoiceResult>& b,
                     Get get) const {
    std::vector<double> values;
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      values.push_back(get(b[i]) - get(a[i]));
      sum += values.back();
    }
    const Interval i = bootstrap_mean(values, o_.seed);
    return {sum / static_cast<double>(values.size()), i.low, i.high};
  }

  void print() const {
    if (o_.common.json) {
      Json j = {{"file", o_.output},
                {"heads_tried", trials_.size()},
                {"heads_kept", file_.chosen.size()},
                {"heads", heads_text(ids(file_.chosen))},
                {"beta", file_.beta},
                {"chance", chance_},
                {"scores", Json::array()}};
      for (const ActScore& s : file_.scores) {
        j["scores"].push_back({{"items", s.items},
                               {"what", s.what},
                               {"n", s.n},
                               {"accuracy", s.accuracy},
                               {"nll", s.nll}});
      }
      j["gain"] = {{"accuracy", accuracy_.mean}, {"low", accuracy_.low}, {"high", accuracy_.high},
                   {"nll", nll_.mean},           {"nll_low", nll_.low},  {"nll_high", nll_.high}};
      j["reliable"] = reliable_;
      j["void"] = void_;
      put(j.dump() + "\n");
      return;
    }
    put(fmt::format("{} of {} heads kept, beta {}\n{:<8} {:<24} {:>5} {:>9} {:>10}\n",
                    file_.chosen.size(), trials_.size(), file_.beta, "items", "heads", "n",
                    "accuracy", "gold nll"));
    for (const ActScore& s : file_.scores) {
      put(fmt::format("{:<8} {:<24} {:>5} {:>7.1f} % {:>10.4f}\n", s.items, s.what, s.n,
                      100 * s.accuracy, s.nll));
    }
  }

  Calibrate o_;
  std::vector<ChoiceItem> sets_[3];  // search, choose, test
  double chance_ = 0;
  Session session_;
  int64_t layers_ = 0, heads_ = 0;
  std::string weights_, log_path_;
  std::vector<HeadId> candidates_;
  std::vector<ChoiceReader> readers_;
  std::map<HeadId, ChoiceMeans> done_;
  std::ofstream log_;
  Progress* bar_ = nullptr;
  ChoiceMeans plain_;
  std::vector<HeadTrial> trials_;
  ActFile file_;
  Difference accuracy_, nll_;
  bool reliable_ = false, void_ = false;
};

int run_calibrate(const Calibrate& o) {
  if (o.report) {
    SinksOfText report{o.common, o.file, o.output, o.svg, o.rule};
    return report.run();
  }
  if (!o.svg.empty()) {
    throw WrongCommand("--svg", "draws what --report finds", "Add --report.");
  }
  return HeadSearch(o).run();
}

}  // namespace

Verb verb_calibrate() {
  return {
      "calibrate", "attention sinks of a model, and the heads in which weakening them helps",
      [](CLI::App& app) {
        auto o = std::make_shared<Calibrate>();
        teach(app,
              "  tessera calibrate book.txt -o act.json\n"
              "Makes items from the text, tries each head alone on some of them, and says what the "
              "heads that\nhelped are worth on others. Then: tessera run --context "
              "act:file=act.json");
        app.add_option("file", o->file,
                       "a text, of which items are made (the last word of a sentence among ten), "
                       "or .jsonl with text and label")
            ->type_name("FILE")
            ->required();
        add_model(app, o->common);
        app.add_option("-o,--output", o->output,
                       "file of the heads; with --report: every sink, as JSON")
            ->type_name("FILE");
        app.add_flag("--report", o->report, "only find the sinks in the paragraphs of the text");
        app.add_option("--svg", o->svg, "with --report: draw the heads")->type_name("FILE");
        app.add_option("--prompt", o->labelled.prompt,
                       "how a labelled text is asked about [Text: {text}\\nLabel:]")
            ->type_name("TEXT");
        app.add_option("--shots", o->labelled.shots,
                       "labelled texts that stand in front of each as examples [0]")
            ->type_name("N")
            ->check(CLI::Range(0, 64));
        app.add_option("--search", o->search, "items on which each head is tried [16]")
            ->type_name("N")
            ->check(CLI::Range(8, 100000));
        app.add_option("--choose", o->choose, "items on which beta is chosen [60]")
            ->type_name("N")
            ->check(CLI::Range(8, 100000));
        app.add_option("--test", o->test, "items that are held out [200]")
            ->type_name("N")
            ->check(CLI::Range(8, 100000));
        app.add_option("--layers", o->layers,
                       "layers whose heads are tried, FIRST-LAST [all but two and the last]")
            ->type_name("A-B");
        app.add_option("--beta", o->beta,
                       "what a sink's weight is multiplied by in the search [0.4]")
            ->type_name("B")
            ->check(CLI::Range(0.0, 1.0));
        app.add_option("--betas", o->betas, "among which the file's is chosen [0.2,0.4,0.6]")
            ->delimiter(',')
            ->type_name("B,..")
            ->check(CLI::Range(0.0, 1.0));
        app.add_option("--tau", o->rule.tau, "mean attention above which a token is a sink [0.1]")
            ->type_name("X");
        app.add_option("--alpha", o->rule.alpha,
                       "instead: the same in units of 1 / tokens [0; with --report 5]")
            ->type_name("X");
        app.add_option("--min-queries", o->rule.min_queries,
                       "queries that must have seen a token before it may be a sink [16]")
            ->type_name("N")
            ->check(CLI::PositiveNumber);
        app.add_option("--mode", o->mode, "as the key of --context act [prompt]")
            ->check(CLI::IsMember({"prompt", "running", "pass"}));
        app.add_option("--margin", o->keep.margin,
                       "by how much accuracy must rise for a head to be kept, from 0 to 1 [0]")
            ->type_name("X")
            ->check(CLI::Range(0.0, 1.0));
        app.add_option("--keep", o->keep_by,
                       "what must rise: accuracy and log-probability, or the latter [accuracy]")
            ->check(CLI::IsMember({"accuracy", "logprob"}));
        app.add_option("--max-heads", o->keep.most, "keep the best so many [all]")
            ->type_name("N")
            ->check(CLI::NonNegativeNumber);
        app.add_option("--seed", o->seed, "seed of items, sets and draws [1]")->type_name("N");
        add_threads(app, o->common);
        add_json(app, o->common);
        return [o] { return run_calibrate(*o); };
      }};
}

}  // namespace tessera::cli
