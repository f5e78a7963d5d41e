#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/tessera/human.h"
#include "apps/tessera/verb.h"
#include "tessera/files/model.h"

namespace tessera::cli {
namespace {

int models(const CommonOptions& options) {
  std::vector<InstalledModel> all = installed_models();
  if (all.empty() && !options.json) {
    tell("No models in " + models_folder() + "; scripts/run.sh fetches the default one.");
  }
  size_t width = 0;
  for (const InstalledModel& m : all) width = std::max(width, m.name.size());
  for (const InstalledModel& m : all) {
    if (options.json) {
      nlohmann::ordered_json row = {
          {"name", m.name}, {"path", m.path}, {"format", m.format}, {"bytes", m.bytes}};
      fmt::print("{}\n", row.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    } else {
      fmt::print("{:<{}}  {:<11} {:>10}\n", m.name, width, m.format,
                 human_bytes(static_cast<int64_t>(m.bytes)));
    }
  }
  return kDone;
}

}  // namespace

Verb verb_models() {
  return {"models", "the models that a short name or org/name finds", [](CLI::App& app) {
            auto options = std::make_shared<CommonOptions>();
            teach(app, "  tessera models");
            add_json(app, *options);
            return [options] { return models(*options); };
          }};
}

}  // namespace tessera::cli
