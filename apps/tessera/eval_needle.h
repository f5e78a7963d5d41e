// What `eval needle`, `passkey`, `niah`, `threads`, `chain` and `ruler` share: a sweep of policies
// over lengths and depths.
#pragma once

#include <string>
#include <vector>

#include "apps/tessera/verb.h"
#include "tessera/eval/chain.h"
#include "tessera/eval/needle.h"
#include "tessera/eval/thread.h"

namespace tessera::cli {

// Who makes the items and scores the answers.
enum class SweepKind : uint8_t { needle, threads, chain, ruler };

struct NeedleSweep {
  CommonOptions common;
  std::string task;  // "needle"
  NeedleOptions needle;
  SweepKind kind = SweepKind::needle;
  ThreadOptions threads;
  ChainOptions chain;
  std::vector<std::string> ruler;  // its tasks; empty: all
  double threshold = 75;           // percent that an effective length must reach
  std::string direction = "forward", placement = "random";
  std::string unit = "digits7";
  std::vector<std::string> contexts = {"full"};
  std::vector<int64_t> budgets;  // one policy of each, for those that have the key
  std::vector<int64_t> lengths = {1024, 2048, 4096};
  std::vector<double> depths = {10, 30, 50, 70, 90};  // percent
  int64_t repeats = 2;                                // items a length and depth
  int64_t max_tokens = 0;                             // 0: what the task's answers take
  std::string haystack, make, items, folder;
};

// A verb of one task, with the options that all tasks have.
Verb needle_verb(const std::string& task, const std::string& summary, const std::string& example,
                 const NeedleOptions& standard, SweepKind kind = SweepKind::needle);

}  // namespace tessera::cli
