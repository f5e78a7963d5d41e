#include <filesystem>
#include <optional>
#include <sstream>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/tessera/number_checks.h"
#include "apps/tessera/session.h"
#include "apps/tessera/sinks_of_text.h"
#include "tessera/base/error.h"
#include "tessera/base/progress.h"
#include "tessera/context/act_file.h"
#include "tessera/eval/calibration.h"
#include "tessera/files/weights_hash.h"
#include "tessera/text/corpus.h"

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

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
    const std::string text = read_text(o.file);
    try {
      return cloze_items(text, most, cloze);
    } catch (const Error& error) {
      throw error.within(o.file);
    }
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

// The heads that are tried: of --layers, else of all but the first two layers and the last.
std::vector<HeadId> heads_to_try(const Calibrate& o, const ModelDescription& d,
                                 const std::string& path) {
  int64_t first = 2, last = d.layers - 2;
  if (!o.layers.empty()) {
    char rest = 0;
    const int read = std::sscanf(o.layers.c_str(), "%ld-%ld%c", &first, &last, &rest);
    if (read == 1) last = first;
    if (read < 1 || read > 2 || first < 2 || last > d.layers - 2 || first > last) {
      throw Error("--layers " + o.layers, "is no range of layers that can be calibrated",
                  fmt::format("Give FIRST-LAST within 2-{}.", d.layers - 2));
    }
  }
  std::vector<HeadId> out;
  for (int64_t layer = first; layer <= last; ++layer) {
    for (int64_t head = 0; head < d.heads; ++head) out.push_back({layer, head});
  }
  if (out.empty()) {
    throw Error(path, fmt::format("has {} layers, of which none can be calibrated", d.layers),
                "Take a model of at least 4 layers.");
  }
  return out;
}

void print(const Calibrate& o, const CalibrationResult& r) {
  std::vector<HeadId> kept;
  for (const ActHead& h : r.file.chosen) kept.push_back(h.id);
  if (o.common.json) {
    Json j = {{"file", o.output},          {"heads_tried", r.tried}, {"heads_kept", kept.size()},
              {"heads", heads_text(kept)}, {"beta", r.file.beta},    {"chance", r.chance},
              {"scores", Json::array()}};
    for (const ActScore& s : r.file.scores) {
      j["scores"].push_back({{"items", s.items},
                             {"what", s.what},
                             {"n", s.n},
                             {"accuracy", s.accuracy},
                             {"nll", s.nll}});
    }
    j["gain"] = {{"accuracy", r.accuracy.mean}, {"low", r.accuracy.low}, {"high", r.accuracy.high},
                 {"nll", r.nll.mean},           {"nll_low", r.nll.low},  {"nll_high", r.nll.high}};
    j["reliable"] = r.reliable;
    j["void"] = r.can_show_none;
    put(j.dump() + "\n");
    return;
  }
  put(fmt::format("{} of {} heads kept, beta {}\n{:<8} {:<24} {:>5} {:>9} {:>10}\n", kept.size(),
                  r.tried, r.file.beta, "items", "heads", "n", "accuracy", "gold nll"));
  for (const ActScore& s : r.file.scores) {
    put(fmt::format("{:<8} {:<24} {:>5} {:>7.1f} % {:>10.4f}\n", s.items, s.what, s.n,
                    100 * s.accuracy, s.nll));
  }
}

int run_search(Calibrate o) {
  if (o.output.empty()) {
    throw WrongCommand("calibrate", "has no file to write", "Give -o act.json.");
  }
  o.labelled.seed = o.seed;
  o.keep.accuracy = o.keep_by == "accuracy";
  auto sets = calibration_sets(items_of(o), {o.search, o.choose, o.test}, o.file);
  const Session session = open_session(o.common, "full");
  CalibrationOptions options;
  options.candidates = heads_to_try(o, session.model->network().description(), session.files.path);
  options.beta = o.beta;
  options.betas = o.betas;
  options.rule = o.rule;
  options.mode = o.mode;
  options.keep = o.keep;
  options.seed = o.seed;
  options.log = o.output + ".log";
  options.program = version_text();
  interrupted();  // installs the handler
  std::optional<Progress> bar;
  options.each = [&](int64_t n) {
    bar->advance(n);
    return !interrupted();
  };
  Calibration calibration(*session.model, *session.tokenizer, weights_hash(session.files.tensors),
                          std::move(sets), options);
  ProgressOptions shown;
  shown.label = "calibrate";
  shown.unit = "items";
  shown.total = calibration.work();
  if (is_terminal(STDERR_FILENO)) shown.sink = descriptor_sink(STDERR_FILENO);
  tell(
      fmt::format("tessera calibrate: {} items to search {} heads, {} to choose beta, {} held "
                  "out; {:.1f} million tokens to run",
                  calibration.items(0), options.candidates.size(), calibration.items(1),
                  calibration.items(2), 1e-6 * static_cast<double>(calibration.tokens())));
  bar.emplace(shown);
  const auto result = calibration.run();
  bar.reset();
  if (!result) {
    tell("tessera calibrate: stopped; the same command goes on");
    return kInterrupted;
  }
  write_act_file(o.output, result->file);
  print(o, *result);
  tell("tessera calibrate: " + result->verdict);
  return kDone;
}

int run_calibrate(const Calibrate& o) {
  if (o.report) {
    SinksOfText report{o.common, o.file, o.output, o.svg, o.rule};
    return report.run();
  }
  if (!o.svg.empty()) {
    throw WrongCommand("--svg", "draws what --report finds", "Add --report.");
  }
  return run_search(o);
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
            ->check(above_zero());
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
            ->check(from_zero());
        app.add_option("--seed", o->seed, "seed of items, sets and draws [1]")->type_name("N");
        add_threads(app, o->common);
        add_json(app, o->common);
        return [o] { return run_calibrate(*o); };
      }};
}

}  // namespace tessera::cli
