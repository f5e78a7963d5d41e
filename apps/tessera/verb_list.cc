#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/tessera/verb.h"
#include "tessera/base/guest.h"
#include "tessera/base/systems.h"

namespace tessera::cli {
namespace {

struct ListOptions {
  CommonOptions common;
  std::string seam;
};

nlohmann::ordered_json text_or_null(std::string_view text) {
  return text.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(text);
}

void print_json(const GuestEntry& g) {
  const System* system = find_system(g.system);
  nlohmann::ordered_json row;
  row["number"] = system ? nlohmann::ordered_json(system->number) : nlohmann::ordered_json(nullptr);
  row["system"] = text_or_null(g.system);
  row["name"] = g.name;
  row["seam"] = g.seam;
  row["paper"] = text_or_null(g.source.empty() && system ? system->paper : g.source);
  row["verb"] = "--" + g.seam;
  row["summary"] = g.summary;
  row["options"] = nlohmann::ordered_json::array();
  for (const OptionDoc& o : g.options) {
    row["options"].push_back(
        {{"key", o.key}, {"default", o.standard}, {"range", o.range}, {"meaning", o.meaning}});
  }
  fmt::print("{}\n", row.dump());
}

void print_table(const std::vector<GuestEntry>& entries) {
  std::string seam;
  for (const GuestEntry& g : entries) {
    if (g.seam != seam) fmt::print("{}--{}\n", seam.empty() ? "" : "\n", g.seam);
    seam = g.seam;
    fmt::print("  {:<14} {}{}\n", g.name, g.summary,
               g.source.empty() ? "" : "  [" + g.source + "]");
    for (const OptionDoc& o : g.options) {
      fmt::print("      {:<12} [{}] {} ({})\n", o.key, o.standard, o.meaning, o.range);
    }
  }
}

int list(const ListOptions& options) {
  std::vector<GuestEntry> entries = all_guests();
  std::vector<std::string> seams;
  for (const auto& g : entries) {
    if (std::find(seams.begin(), seams.end(), g.seam) == seams.end()) seams.push_back(g.seam);
  }
  if (!options.seam.empty()) {
    if (std::find(seams.begin(), seams.end(), options.seam) == seams.end()) {
      throw WrongCommand("tessera list", "no seam \"" + options.seam + "\"",
                         did_you_mean(options.seam, seams));
    }
    std::erase_if(entries, [&](const GuestEntry& g) { return g.seam != options.seam; });
  }
  if (options.common.json) {
    for (const auto& g : entries) print_json(g);
  } else {
    print_table(entries);
  }
  return kDone;
}

}  // namespace

Verb verb_list() {
  return {
      "list", "every method that works in this build, by seam", [](CLI::App& app) {
        auto options = std::make_shared<ListOptions>();
        teach(app, "  tessera list context");
        app.add_option("seam", options->seam, "only the methods of this seam")->type_name("SEAM");
        add_json(app, options->common);
        return [options] { return list(*options); };
      }};
}

}  // namespace tessera::cli
