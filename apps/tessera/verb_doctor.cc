#include <fstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/tessera/human.h"
#include "apps/tessera/verb.h"
#include "tessera/base/error.h"
#include "tessera/files/memory_plan.h"
#include "tessera/files/model.h"
#include "tessera/kernels/kernels.h"

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

// The word in brackets: "always [madvise] never".
std::string huge_pages() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string text;
  std::getline(file, text);
  size_t begin = text.find('['), end = text.find(']');
  return end == std::string::npos || begin >= end ? "none"
                                                  : text.substr(begin + 1, end - begin - 1);
}

// What the default reference resolves to; "" when there is no such model.
std::string default_model(const CommonOptions& options, std::string& fault) {
  try {
    return resolve_model(model_reference(options));
  } catch (const Error& error) {
    fault = error.what();
    return "";
  }
}

int doctor(const CommonOptions& options) {
  std::string levels;
  for (const Kernels* k : available_kernels()) {
    levels += (levels.empty() ? "" : ", ") + std::string(k->name);
  }
  std::string fault;
  const std::string model = default_model(options, fault);
  const size_t count = installed_models().size();
  const std::string pages = huge_pages();
  if (options.json) {
    Json out;
    out["version"] = version_text();
    out["processor"] = processor_name();
    out["level"] = std::string(kernels().name);
    out["levels"] = levels;
    out["threads"] = available_threads();
    out["huge_pages"] = pages;
    out["available_memory"] = available_memory();
    out["libraries"] = {
        {"fmt", FMT_VERSION},
        {"nlohmann_json", NLOHMANN_JSON_VERSION_MAJOR * 10000 + NLOHMANN_JSON_VERSION_MINOR * 100 +
                              NLOHMANN_JSON_VERSION_PATCH}};
    out["models_folder"] = models_folder();
    out["models"] = count;
    out["default_model"] = model.empty() ? Json(nullptr) : Json(model);
    fmt::print("{}\n", out.dump(-1, ' ', false, Json::error_handler_t::replace));
    return kDone;
  }
  auto line = [](const char* name, const std::string& text) {
    fmt::print("{:<12} {}\n", name, text);
  };
  line("version", version_text());
  line("processor", processor_name());
  line("level", fmt::format("{} (of {})", kernels().name, levels));
  line("threads", std::to_string(available_threads()));
  line("huge pages", pages == "never" || pages == "none"
                         ? pages +
                               ": decoding is slower; allow madvise in "
                               "/sys/kernel/mm/transparent_hugepage/enabled"
                         : pages);
  line("memory", human_bytes(available_memory()) + " free");
  line("models", fmt::format("{} ({})", count, models_folder()));
  line("default", model.empty() ? fault : model);
  return kDone;
}

}  // namespace

Verb verb_doctor() {
  return {"doctor", "what this machine offers and what is set up", [](CLI::App& app) {
            auto options = std::make_shared<CommonOptions>();
            teach(app, "  tessera doctor");
            add_json(app, *options);
            return [options] { return doctor(*options); };
          }};
}

}  // namespace tessera::cli
