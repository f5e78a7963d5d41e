#include "apps/tessera/profile_report.h"

#include <iterator>

#include <fmt/format.h>

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;

double operations_seconds(const Profile& profile) {
  double sum = 0;
  for (const OperationCost& o : profile.operations()) sum += o.seconds;
  return sum;
}

double floor_seconds(const Profile& profile, const NetworkFloor& floor) {
  double sum = 0;
  for (const OperationCost& o : profile.operations()) sum += floor.seconds(o);
  return sum;
}

void write_phase(std::string& out, const char* name, const Profile& profile,
                 const NetworkFloor& floor) {
  if (profile.passes() == 0) return;
  const auto to = std::back_inserter(out);
  const double passes = static_cast<double>(profile.passes());
  fmt::format_to(to, "{}: {} passes, ms a pass\n  {:<34}{:>9}{:>8}{:>9}{:>9}{:>9}{:>8}\n", name,
                 profile.passes(), "operation", "ms", "share", "GB/s", "Gmac/s", "floor", "of it");
  const auto line = [&](const std::string& operation, double seconds, double bytes, double products,
                        double least) {
    const auto rate = [&](double of) {
      return of > 0 ? fmt::format("{:.1f}", of / seconds / 1e9) : std::string("-");
    };
    fmt::format_to(to, "  {:<34}{:>9.3f}{:>7.1f}%{:>9}{:>9}", operation, seconds / passes * 1e3,
                   100 * seconds / profile.seconds(), rate(bytes), rate(products));
    if (least > 0) {
      fmt::format_to(to, "{:>9.3f}{:>7.0f}%", least / passes * 1e3, 100 * least / seconds);
    }
    out += '\n';
  };
  double bytes = 0, products = 0;
  for (const OperationCost& o : profile.operations()) {
    bytes += static_cast<double>(o.bytes);
    products += static_cast<double>(o.multiply_adds);
    line(o.name, o.seconds, static_cast<double>(o.bytes), static_cast<double>(o.multiply_adds),
         floor.seconds(o));
  }
  line("between operations", profile.seconds() - operations_seconds(profile), 0, 0, 0);
  line("all", profile.seconds(), bytes, products, floor_seconds(profile, floor));
}

Json phase_json(const Profile& profile, const NetworkFloor& floor) {
  Json out = {{"passes", profile.passes()}, {"seconds", profile.seconds()}};
  out["floor_seconds"] = floor_seconds(profile, floor);
  Json& list = out["operations"] = Json::array();
  for (const OperationCost& o : profile.operations()) {
    list.push_back({{"operation", o.name},
                    {"runs", o.runs},
                    {"seconds", o.seconds},
                    {"bytes", o.bytes},
                    {"multiply_adds", o.multiply_adds},
                    {"floor_seconds", floor.seconds(o)}});
  }
  return out;
}

}  // namespace

std::string PhaseProfile::table() const {
  const NetworkFloor floor = floor_of(network_);
  std::string out;
  write_phase(out, "prefill", prefill_, floor);
  write_phase(out, "decode", decode_, floor);
  fmt::format_to(std::back_inserter(out),
                 "floor: the weights are read at {:.1f} GB/s, and multiplied at {:.1f} Gmac/s in "
                 "the cache\n",
                 floor.bytes_per_second / 1e9, floor.multiply_adds_per_second / 1e9);
  return out;
}

Json PhaseProfile::json() const {
  const NetworkFloor floor = floor_of(network_);
  Json out;
  out["floor"] = {{"bytes_per_second", floor.bytes_per_second},
                  {"multiply_adds_per_second", floor.multiply_adds_per_second}};
  out["prefill"] = phase_json(prefill_, floor);
  out["decode"] = phase_json(decode_, floor);
  return out;
}

}  // namespace tessera::cli
