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

int run_repro(const ReproOptions& options) {
  const Repro& repro = repro_named(options.name);
  ReproRequest request;
  request.sources = options.sources;
  take_files(options, repro, request);
  request.threads = options.common.threads > 0 ? options.common.threads : available_threads();
  if (is_terminal(STDERR_FILENO)) request.progress = descriptor_sink(STDERR_FILENO);
  const ReproResult result = repro.run(request);
  if (!options.svg.empty()) {
    if (result.curves.empty()) {
      throw WrongCommand("--svg", options.name + " has no curves to draw");
    }
    write_file(options.svg, curve_picture(result.curves));
  }
  if (options.common.json) {
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
                {"verdict", c.holds ? "holds" : "does not hold"}})
              .dump() +
          "\n");
    }
    return kDone;
  }
  for (const ReproFigure& f : result.figures) {
    put(fmt::format("{:<44} {:<46} {:>9.3f}", f.name, f.what, f.value));
    put(f.low != f.high ? fmt::format("  {:.3f} to {:.3f}\n", f.low, f.high) : "\n");
  }
  for (const ReproClaim& c : result.claims) {
    put(fmt::format("\n{}\n  paper:   {}\n  here:    {}\n  verdict: {}\n", c.claim, c.paper, c.ours,
                    c.holds ? "holds" : "does not hold"));
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
            std::string names;
            for (const Repro& repro : repros()) {
              names += (names.empty() ? "" : ", ") + std::string(repro.system);
            }
            app.add_option("name", options->name, "the system: " + names)
                ->type_name("NAME")
                ->required();
            app.add_option("sources", options->sources, "texts: files, folders, archives")
                ->type_name("F|DIR")
                ->required();
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
