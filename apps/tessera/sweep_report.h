// What a sweep found: a table, JSON lines, and a picture.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace tessera::cli {

// Whether a policy chooses with the question before it, or knows the text alone when it does and
// reads the question as if it had decoded it.
inline constexpr const char *kQueryAware = "query-aware", *kQueryAgnostic = "query-agnostic";

// Answers that are counted together, of each task and length.
struct SweepSeries {
  std::string model, policy, regime;
  int64_t window = 0;  // the model's, trained
  bool first = false;  // of its model: what the others are compared with
};

struct SweepReport {
  std::string name;                             // of the verb
  std::vector<SweepSeries> series;              // those that are shown, in order
  std::vector<nlohmann::ordered_json> results;  // one an answer, as results.jsonl holds them
  bool placed = false;                          // whether depth is where the one needle stands
  bool many_tasks = false;                      // whether the verb's tasks have names of their own
  double threshold = 0.75;                      // share that an effective length must reach
  bool many_models = false;
  bool json = false;
};

// One line a task, length and policy, and one of effective lengths a task and policy that was asked
// at several lengths, on standard output.
void print_sweep(const SweepReport& report);
// An SVG document.
std::string sweep_picture(const SweepReport& report);

}  // namespace tessera::cli
