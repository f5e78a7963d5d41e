#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/tessera/verb.h"
#include "tessera/base/progress.h"
#include "tessera/eval/repro.h"

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;

struct ReproOptions {
  CommonOptions common;
  std::string name;
  std::vector<std::string> sources;
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

int run_repro(const ReproOptions& options) {
  const Repro& repro = repro_named(options.name);
  ReproRequest request;
  request.sources = options.sources;
  request.threads = options.common.threads > 0 ? options.common.threads : available_threads();
  if (is_terminal(STDERR_FILENO)) request.progress = descriptor_sink(STDERR_FILENO);
  const ReproResult result = repro.run(request);
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
    put(fmt::format("{:<44}{:<38}{:>9.3f}", f.name, f.what, f.value));
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
            return [options] { return run_repro(*options); };
          }};
}

}  // namespace tessera::cli
