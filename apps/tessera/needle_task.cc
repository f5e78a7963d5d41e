#include "apps/tessera/needle_task.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace tessera::cli {

void NeedleTask::add_flags(CLI::App& app) {
  add_unit(app, needle_.unit);
  if (needle_.kind == NeedleKind::keyed) {
    app.add_option("--others", needle_.others,
                   fmt::format("further needles with other keys [{}]", needle_.others))
        ->type_name("N")
        ->check(CLI::Range(0, 200));
  }
  add_haystack(app, file_);
}

std::string NeedleTask::prepare() {
  needle_.seed = seed;
  std::string origin;
  haystack_ = haystack_of(file_, seed, origin);
  return origin;
}

nlohmann::ordered_json NeedleTask::settings() const {
  return {{"unit", unit_name(needle_.unit)}, {"others", needle_.others}};
}

NeedleItem NeedleTask::make(const std::string&, double depth, uint64_t index, int64_t room,
                            const std::function<int64_t(const std::string&)>& length) const {
  return make_needle(needle_, haystack_, depth, index, room, length);
}

}  // namespace tessera::cli
