#include "apps/tessera/sweep_report.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "apps/tessera/heat_map.h"
#include "apps/tessera/verb.h"
#include "tessera/eval/effective_length.h"
#include "tessera/eval/needle.h"

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Cell {
  int64_t n = 0, unparsed = 0;
  double share = 0, precision = 0, exact = 0;  // of what was asked for
  bool list = false;
  double keys = 0, bytes = 0, seconds = 0, prompt_bytes = 0;
  bool everything = true;
  std::map<double, std::pair<double, int64_t>> at_depth;  // share, n
  double value() const { return share / static_cast<double>(n); }
  // Of the worst depth.
  double least() const {
    double out = 1;
    for (const auto& [depth, s] : at_depth) {
      out = std::min(out, s.first / static_cast<double>(s.second));
    }
    return out;
  }
};
// By place of the task, length, place of the series.
using Cells = std::map<std::tuple<size_t, int64_t, size_t>, Cell>;

class Report {
 public:
  explicit Report(const SweepReport& report) : r_(report) {}

  void print() {
    const Cells cells = cells_of_results();
    const bool many = r_.many_tasks;
    if (!r_.json) {
      put(fmt::format("{}{}{:<44} {:>7} {:>4} {:>7}  {:<15} {:>9} {:>8}\n",
                      r_.many_models ? fmt::format("{:<24} ", "model") : "",
                      many ? fmt::format("{:<16} ", "task") : "", "policy", "length", "n", "found",
                      "95 %", "keys/step", "MB held"));
    }
    for (const auto& [place, c] : cells) {
      const auto& [task, length, series] = place;
      put_cell(many ? tasks_[task] : "", r_.series[series], length, c);
    }
    if (!cells.empty()) put_effective_lengths(cells);
  }

  std::string picture() {
    const Cells cells = cells_of_results();
    std::vector<HeatCell> heat;
    for (const auto& [place, c] : cells) {
      const auto& [task, length, series] = place;
      const SweepSeries& of = r_.series[series];
      for (const auto& [depth, s] : c.at_depth) {
        heat.push_back({(r_.many_models ? of.model + ", " : "") + label(of), length,
                        r_.many_tasks ? tasks_[task] : fmt::format("{:.0f} %", 100 * depth),
                        s.first, s.second});
      }
    }
    return heat_map(r_.name, heat);
  }

 private:
  static std::string label(const SweepSeries& of) {
    return of.policy + (of.regime == kQueryAgnostic ? ", text alone" : "");
  }

  void put_cell(const std::string& task, const SweepSeries& of, int64_t length,
                const Cell& c) const {
    const auto n = static_cast<double>(c.n);
    const Interval i = wilson_of_share(c.value(), c.n);
    if (r_.json) {
      Json row = {{"task", task.empty() ? r_.name : task},
                  {"model", of.model},
                  {"policy", of.policy},
                  {"regime", of.regime},
                  {"length", length},
                  {"n", c.n},
                  {"value", c.value()},
                  {"low", i.low},
                  {"high", i.high},
                  {"keys_per_decoded_step", c.keys / n},
                  {"bytes_held", c.bytes},
                  {"seconds", c.seconds / n},
                  {"attended_everything", c.everything}};
      if (c.list) {
        row["precision"] = c.precision / n;
        row["unparsed"] = c.unparsed;
      }
      if (r_.many_tasks) row["exact"] = c.exact / n;
      put(row.dump() + "\n");
      return;
    }
    const std::string interval = fmt::format("{:.1f} to {:.1f}", 100 * i.low, 100 * i.high);
    put(fmt::format("{}{}{:<44} {:>7} {:>4} {:>5.1f} %  {:<15} {:>9.0f} {:>8.1f}{}{}\n",
                    r_.many_models ? fmt::format("{:<24} ", of.model) : "",
                    task.empty() ? "" : fmt::format("{:<16} ", task), label(of), length, c.n,
                    100 * c.value(), interval, c.keys / n, c.bytes / 1e6,
                    c.everything && !of.first ? "  attended everything" : "",
                    c.unparsed > 0 ? fmt::format("  {} without a value", c.unparsed) : ""));
  }

  // For each task and policy that was asked at several lengths.
  void put_effective_lengths(const Cells& cells) const {
    for (size_t t = 0; t < tasks_.size(); ++t) {
      for (size_t p = 0; p < r_.series.size(); ++p) {
        const SweepSeries& of = r_.series[p];
        const auto window = static_cast<double>(of.window);
        std::vector<LengthScore> scores;
        double bytes = 0, tokens = 0;
        for (const auto& [place, c] : cells) {
          if (std::get<0>(place) != t || std::get<2>(place) != p) continue;
          const int64_t length = std::get<1>(place);
          scores.push_back({length, r_.placed ? c.least() : c.value()});
          bytes += c.prompt_bytes;
          tokens += static_cast<double>(length * c.n);
        }
        if (scores.size() < 2) continue;
        const EffectiveLength e = effective_length(scores, r_.threshold);
        if (r_.json) {
          put(Json({{"task", tasks_[t]},
                    {"model", of.model},
                    {"policy", of.policy},
                    {"regime", of.regime},
                    {"measure", "effective_length"},
                    {"threshold", r_.threshold},
                    {"value", e.length},
                    {"at_least", e.at_least},
                    {"bytes", e.length * bytes / tokens},
                    {"share_of_window", e.length / window}})
                  .dump() +
              "\n");
          continue;
        }
        put(fmt::format(
            "{}{}{}: effective length (found >= {:g} %{}) {}{:.0f} tokens, {:.0f} bytes, "
            "{:.1f} % of the trained window\n",
            r_.many_models ? of.model + ", " : "", tasks_.size() > 1 ? tasks_[t] + ", " : "",
            label(of), 100 * r_.threshold, r_.placed ? " at every depth" : "",
            e.at_least ? "at least " : "", e.length, e.length * bytes / tokens,
            100 * e.length / window));
      }
    }
  }

  Cells cells_of_results() {
    Cells cells;
    for (const Json& j : r_.results) {
      const auto place = std::ranges::find_if(r_.series, [&](const SweepSeries& of) {
        return of.policy == j.at("policy").get<std::string>() &&
               of.regime == j.value("regime", std::string(kQueryAware)) &&
               of.model == j.value("model", r_.series.front().model);
      });
      if (place == r_.series.end()) continue;
      const std::string task = j.value("task", r_.name);
      auto at = std::find(tasks_.begin(), tasks_.end(), task);
      if (at == tasks_.end()) at = tasks_.insert(at, task);
      Cell& c = cells[{static_cast<size_t>(at - tasks_.begin()), j.at("length"),
                       static_cast<size_t>(place - r_.series.begin())}];
      const Json& context = j.at("context");
      const double share = j.value("share", j.at("right").get<bool>() ? 1.0 : 0.0);
      ++c.n;
      c.share += share;
      c.precision += j.value("precision", 0.0);
      c.exact += j.value("exact", 0.0);
      c.list = c.list || j.contains("precision");
      c.unparsed += j.value("parsed", true) ? 0 : 1;
      c.keys += context.at("keys_per_decoded_step").get<double>();
      c.bytes = std::max(c.bytes, context.at("bytes_resident").get<double>() +
                                      context.at("bytes_policy").get<double>());
      c.seconds += j.at("seconds").get<double>();
      c.prompt_bytes += j.value("prompt_bytes", 0.0);
      c.everything = c.everything && context.at("attended_everything").get<bool>();
      auto& [sum, n] = c.at_depth[j.at("depth")];
      sum += share;
      ++n;
    }
    return cells;
  }

  const SweepReport& r_;
  std::vector<std::string> tasks_;  // in the order in which they were answered
};

}  // namespace

void print_sweep(const SweepReport& report) { Report(report).print(); }

std::string sweep_picture(const SweepReport& report) { return Report(report).picture(); }

}  // namespace tessera::cli
