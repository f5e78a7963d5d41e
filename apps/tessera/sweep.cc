#include "apps/tessera/sweep.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/tessera/number_checks.h"
#include "apps/tessera/session.h"
#include "apps/tessera/spec_flags.h"
#include "apps/tessera/sweep_report.h"
#include "tessera/base/atomic_file.h"
#include "tessera/base/error.h"
#include "tessera/base/hash.h"
#include "tessera/base/progress.h"
#include "tessera/decode/generate.h"
#include "tessera/network/policy.h"
#include "tessera/text/corpus.h"
#include "tessera/tokenizer/conversation.h"

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

// Sentences of the haystack for whoever brings none.
constexpr int64_t kMadeUp = 4000;

struct SweepOptions {
  CommonOptions common;
  std::vector<std::string> models;  // references; none: the one that is meant without -m
  std::vector<std::string> regimes = {kQueryAware};
  std::vector<std::string> contexts = {"full"};
  std::vector<int64_t> budgets;  // one policy of each, for those that have the key
  std::vector<int64_t> lengths = {1024, 2048, 4096};
  std::vector<double> depths = {10, 30, 50, 70, 90};  // percent
  int64_t repeats = 2;                                // items a length and depth
  int64_t max_tokens = 0;                             // 0: what the task's answers take
  double threshold = 75;                              // percent that an effective length reaches
  std::string make, items, folder;
};

struct Item {
  std::string task;
  int64_t length = 0;  // tokens of the prompt at most
  int64_t index = 0;
  NeedleItem needle;
};

// --context as given, once for each --budget where the policy has that key and no value for it.
std::vector<std::string> policies_of(const SweepOptions& o) {
  std::vector<std::string> out;
  for (const std::string& text : o.contexts) {
    check_spec<ContextPolicy>("--context", text);
    Spec spec = Spec::parse(text);
    const auto& known = find_guest<ContextPolicy>(spec).entry.options;
    const bool has_key = std::any_of(known.begin(), known.end(),
                                     [](const OptionDoc& d) { return d.key == "budget"; });
    const bool given = std::any_of(spec.options.begin(), spec.options.end(),
                                   [](const auto& option) { return option.first == "budget"; });
    if (o.budgets.empty() || !has_key || given) {
      check_method<ContextPolicy>("--context", text);
      out.push_back(text);
      continue;
    }
    for (const int64_t budget : o.budgets) {
      Spec one = spec;
      one.options.emplace_back("budget", std::to_string(budget));
      check_method<ContextPolicy>("--context", one.text());
      out.push_back(one.text());
    }
  }
  return out;
}

Json json_of(const Item& item) {
  Json out = {{"task", item.task},           {"length", item.length},
              {"depth", item.needle.depth},  {"index", item.index},
              {"text", item.needle.text},    {"question", item.needle.question},
              {"answer", item.needle.answer}};
  if (!item.needle.answers.empty()) out["answers"] = item.needle.answers;
  if (!item.needle.cue.empty()) out["cue"] = item.needle.cue;
  return out;
}

std::vector<Item> read_items(const std::string& path) {
  std::istringstream lines(read_text(path));
  std::vector<Item> out;
  std::string line;
  for (int64_t at = 1; std::getline(lines, line); ++at) {
    if (line.empty()) continue;
    try {
      const Json j = Json::parse(line);
      Item item;
      item.length = j.at("length").get<int64_t>();
      item.index = j.at("index").get<int64_t>();
      item.needle.depth = j.at("depth").get<double>();
      item.needle.text = j.at("text").get<std::string>();
      item.needle.question = j.at("question").get<std::string>();
      item.needle.answer = j.at("answer").get<std::string>();
      if (j.contains("answers")) j.at("answers").get_to(item.needle.answers);
      item.needle.cue = j.value("cue", "");
      item.task = j.at("task").get<std::string>();
      if (item.needle.question.empty() || item.needle.answer.empty()) {
        throw Error(fmt::format("{}:{}", path, at), "the question or the answer is empty");
      }
      out.push_back(std::move(item));
    } catch (const nlohmann::json::exception&) {
      throw Error(fmt::format("{}:{}", path, at), "is no item of a needle task",
                  "Make a file of items with --make.");
    }
  }
  if (out.empty()) throw Error(path, "holds no item", "Make a file of items with --make.");
  return out;
}

class Sweep {
 public:
  Sweep(const SweepOptions& o, SweepTask& task)
      : o_(o), task_(task), policies_(policies_of(o)), many_(!task.parts().empty()) {
    if (!task.at_depths()) o_.depths = {0};
    if (o_.models.empty()) o_.models = {model_reference(o_.common)};
    check();
  }

  int run() {
    for (const std::string& reference : o_.models) {
      open(reference);
      const std::vector<Item> items = o_.items.empty() ? make_items() : read_items(o_.items);
      if (!o_.make.empty()) return write_items(items);
      if (reference == o_.models.front()) open_folder();
      add_series();
      answer_all(items);
      if (interrupted_) break;
    }
    report();
    return interrupted_ ? kInterrupted : kDone;
  }

 private:
  // What a model is called in results.
  static std::string name_of(const std::string& reference) {
    return fs::path(resolve_model(reference)).filename().string();
  }

  void open(const std::string& reference) {
    chat_.reset();
    session_ = Session{};  // two models need not fit at once
    CommonOptions one = o_.common;
    one.model = reference;
    session_ = open_session(one, "full");
    chat_.emplace(session_.files, *session_.tokenizer);
    model_ = name_of(reference);
  }

  void add_series() {
    const int64_t window = session_.model->network().trained_context();
    for (size_t p = 0; p < policies_.size(); ++p) {
      for (const std::string& regime : o_.regimes) {
        series_.push_back({model_, policies_[p], regime, window, p == 0});
      }
    }
  }

  int write_items(const std::vector<Item>& items) const {
    std::string text;
    for (const Item& item : items) {
      text += json_of(item).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }
    write_file(o_.make, text);
    tell(fmt::format("tessera eval {}: {} items in {}", task_.name, items.size(), o_.make));
    return kDone;
  }

  void check() const {
    for (const double depth : o_.depths) {
      if (!(depth >= 0 && depth <= 100)) {
        throw WrongCommand("--depths", fmt::format("{} is not a percentage", depth),
                           "Give numbers from 0 to 100.");
      }
    }
    task_.check();
    if (!o_.make.empty() && !o_.items.empty()) {
      throw WrongCommand("--make", "makes items, --items reads them", "Give one of the two.");
    }
    if (!o_.make.empty() && o_.models.size() > 1) {
      throw WrongCommand("--make", "makes items of lengths in one model's tokens",
                         "Name one model.");
    }
  }

  ChatPrompt prompt_of(const std::string& text) {
    chat_->truncate(0);
    chat_->say("user", text);
    return chat_->prompt();
  }

  // Tokens that stand before the question.
  int64_t before_question(const ChatPrompt& prompt, const NeedleItem& item) const {
    const size_t at = prompt.text.rfind(item.question);
    if (at == std::string::npos) {
      throw Error(session_.files.path, "its chat template changes the question",
                  "Measure it with --regime query-aware alone.");
    }
    const auto first = std::ranges::find_if(
        prompt.spans, [&](const ByteSpan& s) { return s.end > static_cast<int64_t>(at); });
    return first - prompt.spans.begin();
  }

  std::vector<Item> make_items() {
    haystack_ = task_.prepare();
    const auto length = [&](const std::string& prompt) {
      return static_cast<int64_t>(prompt_of(prompt).ids.size());
    };
    std::vector<Item> out;
    for (const std::string& part : many_ ? task_.parts() : std::vector{task_.name}) {
      for (const int64_t room : o_.lengths) {
        for (size_t d = 0; d < o_.depths.size(); ++d) {
          for (int64_t i = 0; i < o_.repeats; ++i) {
            const int64_t index = static_cast<int64_t>(d) * o_.repeats + i;
            const auto number = static_cast<uint64_t>(room * 100'000 + index);
            out.push_back(
                {part, room, index, task_.make(part, o_.depths[d] / 100, number, room, length)});
          }
        }
      }
    }
    return out;
  }

  std::string manifest() const {
    Json j = {{"task", task_.name},
              {"seed", task_.seed},
              {"settings", task_.settings()},
              {"haystack", o_.items.empty() ? haystack_ : "items: " + o_.items},
              {"depths", o_.depths},
              {"repeats", o_.repeats},
              {"max_tokens", o_.max_tokens}};
    std::vector<std::string> models;
    for (const std::string& reference : o_.models) models.push_back(name_of(reference));
    if (models.size() == 1) {
      j["model"] = models[0];
    } else {
      j["models"] = models;
    }
    return j.dump(2) + "\n";
  }

  // What an earlier run of the same sweep has answered is not asked again.
  void open_folder() {
    if (o_.folder.empty()) return;
    std::error_code failed;
    fs::create_directories(o_.folder, failed);
    const fs::path about = fs::path(o_.folder) / "manifest.json";
    results_path_ = (fs::path(o_.folder) / "results.jsonl").string();
    if (!fs::exists(about)) {
      write_file(about.string(), manifest());
    } else if (read_text(about.string()) != manifest()) {
      throw Error(o_.folder, "holds results of another sweep (manifest.json)",
                  "Give another -o, or the same flags and model.");
    }
    std::string whole;
    if (fs::exists(results_path_)) {
      std::istringstream lines(read_text(results_path_));
      for (std::string line; std::getline(lines, line);) {
        const Json j = Json::parse(line, nullptr, false);
        if (j.is_discarded() || !j.contains("policy")) continue;  // cut off by a stop
        done_.insert(key_of(j.value("task", task_.name), j.value("model", model_), j.at("policy"),
                            j.value("regime", kQueryAware), j.at("length"), j.at("index")));
        results_.push_back(j);
        whole += line + "\n";
      }
      write_file(results_path_, whole);
    }
    file_.open(results_path_, std::ios::app);
    if (!file_) throw Error(results_path_, "cannot be written");
  }

  static std::string key_of(const std::string& task, const std::string& model,
                            const std::string& policy, const std::string& regime, int64_t length,
                            int64_t index) {
    return fmt::format("{} {} {} {} {} {}", task, length, index, regime, policy, model);
  }

  void answer_all(const std::vector<Item>& items) {
    interrupted();  // installs the handler
    ProgressOptions shown;
    shown.label = o_.models.size() > 1 ? task_.name + ", " + model_ : task_.name;
    shown.unit = "answers";
    shown.total = static_cast<int64_t>(items.size() * policies_.size() * o_.regimes.size());
    if (is_terminal(STDERR_FILENO)) shown.sink = descriptor_sink(STDERR_FILENO);
    Progress bar(shown);
    for (const Item& item : items) {
      for (const std::string& policy : policies_) {
        for (const std::string& regime : o_.regimes) {
          if (!done_.contains(key_of(item.task, model_, policy, regime, item.length, item.index))) {
            answer(item, policy, regime);
          }
          if (interrupted_) return;
          bar.advance();
        }
      }
    }
  }

  void answer(const Item& item, const std::string& policy, const std::string& regime) {
    using Clock = std::chrono::steady_clock;
    std::stop_source stop;
    GenerateCallbacks callbacks;
    callbacks.stop = stop.get_token();
    callbacks.pass = [&] {
      if (interrupted()) stop.request_stop();
    };
    GenerateOptions options;
    options.max_tokens = o_.max_tokens > 0 ? o_.max_tokens : task_.answer_tokens(item.task);
    options.context = make_guest<ContextPolicy>(policy)->serves_any_length() ? -1 : 0;
    options.stop_ids = answer_ends(session_.files, *session_.tokenizer);
    const auto start = Clock::now();
    ChatPrompt prompt = prompt_of(item.needle.prompt());
    if (regime == kQueryAgnostic) options.announced = before_question(prompt, item.needle);
    std::vector<TokenId> ids = std::move(prompt.ids);
    if (!item.needle.cue.empty()) {
      EncodeOptions plain;
      plain.add_template = false;
      const auto cue = session_.tokenizer->encode(item.needle.cue, plain).ids;
      ids.insert(ids.end(), cue.begin(), cue.end());
    }
    const Generation g = generate(*session_.model, session_.tokenizer, ids, options, callbacks,
                                  session_.model->network().new_past(policy));
    if (g.best.finish == Finish::cancelled) {
      interrupted_ = true;
      return;
    }
    if (g.best.finish == Finish::error) throw Error("answer", g.error);
    Json j = {{"task", item.task},
              {"model", model_},
              {"policy", policy},
              {"regime", regime},
              {"length", item.length},
              {"index", item.index},
              {"depth", item.needle.depth},
              {"answer", item.needle.answer},
              {"output", g.best.text},
              {"right", false},
              {"prompt_tokens", g.prompt_tokens},
              {"prompt_bytes", item.needle.prompt().size()},
              {"seconds", std::chrono::duration<double>(Clock::now() - start).count()}};
    j.update(task_.score(item.needle, g.best.text));
    j["context"] = context_report(policy, g.past->counters());
    results_.push_back(j);
    if (file_.is_open()) {
      file_ << j.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n" << std::flush;
      if (!file_) throw Error(results_path_, "cannot be written; the disk may be full");
    }
  }

  void report() const {
    SweepReport r;
    r.name = task_.name;
    r.series = series_;
    r.many_models = o_.models.size() > 1;
    r.results = results_;
    r.placed = task_.placed();
    r.many_tasks = many_;
    r.threshold = o_.threshold / 100;
    r.json = o_.common.json;
    print_sweep(r);
    if (!o_.folder.empty() && !results_.empty()) {
      write_file((fs::path(o_.folder) / "heat.svg").string(), sweep_picture(r));
    }
  }

  SweepOptions o_;
  SweepTask& task_;
  std::vector<std::string> policies_;
  std::vector<SweepSeries> series_;
  bool many_ = false;
  Session session_;
  std::optional<Conversation> chat_;
  std::string model_;  // its name in results
  std::string haystack_, results_path_;
  std::ofstream file_;
  std::set<std::string> done_;
  std::vector<Json> results_;
  bool interrupted_ = false;
};

}  // namespace

Json SweepTask::score(const NeedleItem& item, const std::string& output) const {
  return {{"right", holds_answer(output, item.answer)}};
}

namespace {

constexpr std::pair<const char*, NeedleUnit> kUnits[] = {{"digits5", NeedleUnit::digits5},
                                                         {"digits7", NeedleUnit::digits7},
                                                         {"hex8", NeedleUnit::hex8},
                                                         {"uuid", NeedleUnit::uuid}};

}  // namespace

std::string unit_name(NeedleUnit unit) {
  return std::ranges::find(kUnits, unit, &std::pair<const char*, NeedleUnit>::second)->first;
}

void add_unit(CLI::App& app, NeedleUnit& unit) {
  std::map<std::string, NeedleUnit> units(std::begin(kUnits), std::end(kUnits));
  app.add_option_function<std::string>(
         "--unit", [&unit, units](const std::string& name) { unit = units.at(name); },
         "what is hidden [" + unit_name(unit) + "]")
      ->check(CLI::IsMember({"digits5", "digits7", "hex8", "uuid"}));
}

void add_haystack(CLI::App& app, std::string& file) {
  app.add_option("--haystack", file, "text in which needles are hidden [made-up sentences]")
      ->type_name("FILE");
}

std::vector<std::string> haystack_of(const std::string& file, uint64_t seed, std::string& name) {
  if (file.empty()) {
    name = "made up";
    return made_up_sentences(seed, kMadeUp);
  }
  const std::string text = read_text(file);
  name = hash_text(hash_of(text));
  auto sentences = sentences_of(text);
  if (sentences.empty()) throw Error(file, "has no sentence", "Give a text with some.");
  return sentences;
}

Verb sweep_verb(const std::string& name, const std::string& summary, const std::string& example,
                std::function<std::unique_ptr<SweepTask>()> make) {
  return {
      "eval " + name, summary, [=](CLI::App& app) {
        auto o = std::make_shared<SweepOptions>();
        const std::shared_ptr<SweepTask> task = make();
        teach(app, example);
        add_models(app, o->models, o->common);
        app.add_option("--context", o->contexts,
                       "policy to be measured (repeatable) [full]; more: tessera list context")
            ->type_name("SPEC");
        app.add_option("--regime", o->regimes,
                       "whether a policy chooses knowing the question (query-aware) or the text "
                       "alone (query-agnostic); both, with a comma [query-aware]")
            ->delimiter(',')
            ->type_name("R,..")
            ->check(CLI::IsMember({kQueryAware, kQueryAgnostic}));
        app.add_option("--budget", o->budgets,
                       "budgets to try, for each policy that has the key budget")
            ->delimiter(',')
            ->type_name("N,..")
            ->check(above_zero());
        app.add_option("--lengths", o->lengths, "tokens of the prompt [1024,2048,4096]")
            ->delimiter(',')
            ->type_name("N,..")
            ->check(above_zero());
        if (task->at_depths()) {
          app.add_option("--depths", o->depths, "where the needle stands, in % [10,30,50,70,90]")
              ->delimiter(',')
              ->type_name("P,..");
        }
        app.add_option("-n,--repeats", o->repeats,
                       task->at_depths() ? "items a length and depth [2]" : "items a length [2]")
            ->type_name("N")
            ->check(CLI::Range(1, 1000));
        task->add_flags(app);
        app.add_option("--threshold", o->threshold,
                       "share, in %, that the effective length must reach [75]")
            ->type_name("P")
            ->check(CLI::Range(0.0, 100.0));
        app.add_option("--seed", task->seed, fmt::format("seed of the items [{}]", task->seed))
            ->type_name("N");
        app.add_option("--max-tokens", o->max_tokens,
                       "longest answer [" + task->longest_answer() + "]")
            ->type_name("N")
            ->check(above_zero());
        app.add_option("--make", o->make, "write the items as JSON lines, and stop")
            ->type_name("FILE");
        app.add_option("--items", o->items, "items that --make wrote")->type_name("FILE");
        app.add_option("-o,--output", o->folder,
                       "folder of results (each appended at once: a stopped sweep goes on) and "
                       "of a heat map")
            ->type_name("DIR");
        add_ctx(app, o->common);
        add_precise(app, o->common);
        add_device(app, o->common);
        add_threads(app, o->common);
        add_json(app, o->common);
        return [o, task] { return Sweep(*o, *task).run(); };
      }};
}

}  // namespace tessera::cli
