// The search for heads in which weakening attention sinks helps, on items of a person's own task,
// and what the kept ones are worth on items that were held out. Source: Yu et al. 2024, arXiv
// 2406.15765, section 4; the sets, the controls and the verdict are ours.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tessera/context/act_file.h"
#include "tessera/context/sinks.h"
#include "tessera/eval/choice_score.h"
#include "tessera/eval/choice_task.h"
#include "tessera/eval/head_search.h"
#include "tessera/network/language_model.h"

namespace tessera {

struct CalibrationOptions {
  std::vector<HeadId> candidates = {};  // heads that are tried
  double beta = 0.4;                    // what a sink's weight is multiplied by in the search
  std::vector<double> betas = {0.2, 0.4, 0.6};  // among which the file's is chosen
  SinkRule rule{.min_queries = 16};
  std::string mode = "prompt";
  KeepRule keep = {};
  uint64_t seed = 1;
  std::string log = {};  // file of what each head gave, by which a stopped search goes on; "": none
  std::string program = {};  // version of what runs: the log of another one is another search's
  // Called with a number of items that are done; false stops.
  std::function<bool(int64_t)> each = {};
};

struct CalibrationGain {
  double mean = 0, low = 0, high = 0;
};

struct CalibrationResult {
  ActFile file;  // what --context takes, with all scores
  int64_t tried = 0;
  double chance = 0;           // of a right guess
  CalibrationGain accuracy;    // kept heads minus none, on held-out items, paired
  CalibrationGain nll;         // the same of the right answer's
  bool reliable = false;       // the accuracy's interval lies above 0
  bool can_show_none = false;  // the items are too easy or too hard to show a gain
  std::string verdict;         // a sentence without its full stop
};

// Three sets of items without one in common: to search, to choose beta, held out.
using CalibrationSets = std::array<std::vector<ChoiceItem>, 3>;
// Cuts items in their order, in the proportion of `wanted`. Throws Error, at `where`, when a set
// would have fewer than 8.
CalibrationSets calibration_sets(const std::vector<ChoiceItem>& items,
                                 const std::array<int64_t, 3>& wanted, const std::string& where);

class Calibration {
 public:
  // `weights`: the hash of the model's weights, which the file is bound to. `model` outlives this.
  // Throws Error for an answer without tokens.
  Calibration(LanguageModel& model, const Tokenizer& tokenizer, std::string weights,
              CalibrationSets sets, CalibrationOptions options);

  int64_t items(size_t set) const { return static_cast<int64_t>(sets_[set].size()); }
  // That run() will put through the model, all sets and heads together; tokens likewise.
  int64_t work() const;
  int64_t tokens() const;
  // Nothing when it was stopped. Throws Error for a log of another search.
  std::optional<CalibrationResult> run();

 private:
  struct Stopped {};

  std::string spec(const std::vector<HeadId>& heads, double beta) const;
  std::vector<ChoiceResult> evaluate(size_t set, const std::vector<HeadId>& heads, double beta);
  void search();
  void read_log();
  std::string log_head() const;
  void record(const std::string& set, const std::string& what, const ChoiceMeans& means);
  void choose_beta(const std::vector<HeadId>& heads);
  void controls(const std::vector<HeadId>& heads);
  void finish();
  void say_what_items_can_show(const ChoiceMeans& plain);

  LanguageModel& model_;
  std::string weights_;
  CalibrationSets sets_;
  CalibrationOptions o_;
  std::vector<ChoiceReader> readers_;
  std::map<HeadId, ChoiceMeans> done_;
  ChoiceMeans plain_;
  std::vector<HeadTrial> trials_;
  CalibrationResult result_;
};

}  // namespace tessera
