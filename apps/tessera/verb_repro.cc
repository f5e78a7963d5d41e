#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/tessera/curve_picture.h"
#include "apps/tessera/verb.h"
#include "tessera/base/atomic_file.h"
#include "tessera/base/progress.h"
#include "tessera/eval/repro.h"

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;

struct ReproOptions {
  CommonOptions common;
  std::string name;
  std::vector<std::string> sources, with;
  std::string svg;
  int64_t items = 0;
  uint64_t seed = 1;
};

const Repro& repro_named(const std::string& name) {
  std::vector<std::string> names;
  for (const Repro& repro : repros()) {
    if (repro.system == name) return repro;
    names.emplace_back(repro.system);
  }
  std::string list;
  for (const std::string& n : names) list += (list.empty() ? "" : ", ") + n;
  throw WrongCommand("repro " + name, "is not there; there are " + list, did_you_mean(name, names));
}

// --with NAME=FILE, of the names that the repro knows.
void take_files(const ReproOptions& options, const Repro& repro, ReproRequest& request) {
  const std::string known = " " + std::string(repro.with) + " ";
  for (const std::string& pair : options.with) {
    const size_t equals = pair.find('=');
    const std::string name = pair.substr(0, equals);
    if (equals == std::string::npos || name.empty() ||
        known.find(" " + name + " ") == std::string::npos) {
      throw WrongCommand("--with " + pair,
                         repro.with.empty()
                             ? options.name + " takes no files by name"
                             : "is not NAME=FILE with a NAME of: " + std::string(repro.with));
    }
    request.with[name] = pair.substr(equals + 1);
  }
}

std::string_view verdict_text(ReproVerdict verdict) {
  switch (verdict) {
    case ReproVerdict::holds:
      return "holds";
    case ReproVerdict::fails:
      return "does not hold";
    case ReproVerdict::open:
      return "not separated";
    case ReproVerdict::nothing:
      return "void";
  }
  return "";
}

void print_json(const ReproResult& result) {
  for (const ReproFigure& f : result.figures) {
    Json interval = nullptr;
    if (f.low != f.high) interval = {f.low, f.high};
    put(Json({{"cell", f.name},
              {"what", f.what},
              {"n", f.n},
              {"value", f.value},
              {"interval", interval}})
            .dump() +
        "\n");
  }
  for (const ReproClaim& c : result.claims) {
    put(Json({{"claim", c.claim},
              {"paper", c.paper},
              {"value", c.ours},
              {"verdict", verdict_text(c.verdict)}})
            .dump() +
        "\n");
  }
}

void print(const ReproResult& result) {
  size_t names = 0, whats = 0;
  for (const ReproFigure& f : result.figures) {
    names = std::max(names, f.name.size());
    whats = std::max(whats, f.what.size());
  }
  for (const ReproFigure& f : result.figures) {
    put(fmt::format("{:<{}}  {:<{}}  {:>9.3f}", f.name, names, f.what, whats, f.value));
    if (f.low != f.high) put(fmt::format("  {:.3f} to {:.3f}", f.low, f.high));
    put(fmt::format("  n = {}\n", f.n));
  }
  for (const ReproClaim& c : result.claims) {
    put(fmt::format("\n{}\n  paper:   {}\n  here:    {}\n  verdict: {}\n", c.claim, c.paper, c.ours,
                    verdict_text(c.verdict)));
  }
}

int run_repro(const ReproOptions& options) {
  const Repro& repro = repro_named(options.name);
  if (repro.texts && options.sources.empty()) {
    throw WrongCommand("repro " + options.name, "measures on texts of yours",
                       "Name some: files, folders, archives.");
  }
  if (!repro.texts && !options.sources.empty()) {
    throw WrongCommand("repro " + options.name, "makes its own texts", "Leave the files out.");
  }
  ReproRequest request;
  request.sources = options.sources;
  take_files(options, repro, request);
  request.model = model_reference(options.common);
  request.items = options.items;
  request.seed = options.seed;
  request.threads = options.common.threads > 0 ? options.common.threads : available_threads();
  if (is_terminal(STDERR_FILENO)) request.progress = descriptor_sink(STDERR_FILENO);
  interrupted();  // installs the handler
  request.stopped = [] { return interrupted(); };
  ReproResult result;
  try {
    result = repro.run(request);
  } catch (const ReproStopped&) {
    return kInterrupted;
  }
  if (!options.svg.empty()) {
    if (result.curves.empty()) {
      throw WrongCommand("--svg", options.name + " has no curves to draw");
    }
    write_file(options.svg, curve_picture(result.curves));
  }
  if (options.common.json) {
    print_json(result);
  } else {
    print(result);
  }
  return kDone;
}

}  // namespace

Verb verb_repro() {
  return {"repro", "what a paper claims, measured again here", [](CLI::App& app) {
            auto options = std::make_shared<ReproOptions>();
            teach(app, "  tessera repro less-is-better $(bench/texts.py en-us)");
            add_json(app, options->common);
            add_threads(app, options->common);
            add_reference(app, options->common);
            std::string names;
            for (const Repro& repro : repros()) {
              names += (names.empty() ? "" : ", ") + std::string(repro.system);
            }
            app.add_option("name", options->name, "the system: " + names)
                ->type_name("NAME")
                ->required();
            app.add_option("sources", options->sources,
                           "texts, where it measures on some: files, folders, archives")
                ->type_name("F|DIR");
            app.add_option("-n,--items", options->items,
                           "items of a cell, where it asks a model [as many as take a few minutes]")
                ->type_name("N")
                ->check(CLI::Range(1, 100000));
            app.add_option("--seed", options->seed, "seed of items and draws [1]")->type_name("N");
            app.add_option("--with", options->with,
                           "a file that the repro asks for by name; its page says which "
                           "(repeatable)")
                ->type_name("NAME=FILE")
                ->expected(1)
                ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
            app.add_option("--svg", options->svg,
                           "a picture of the curves to write, where there are")
                ->type_name("FILE");
            return [options] { return run_repro(*options); };
          }};
}

}  // namespace tessera::cli
