// RULER's synthetic tasks, in wording of our own: needles of several kinds, variables that are
// followed through assignments, and words that occur most often.
// Source: Hsieh et al. 2024, "RULER: What's the Real Context Size of Your Long-Context Language
// Models?", arXiv 2404.06654, section 3 and appendix B.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/eval/needle.h"

namespace tessera {

// The tasks by RULER's names, those of questions about documents (qa_1, qa_2) left out: their data
// cannot be made.
const std::vector<std::string>& ruler_tasks();
// Tokens that an answer of the task may take.
int64_t ruler_answer_tokens(const std::string& task);

struct RulerOptions {
  std::string task = "niah_single_1";
  uint64_t seed = 42;
  // For the tasks with prose around the needles.
  std::vector<std::string> haystack = {};
};

// The item number `index` with as much haystack as fits: prompt, cue and the tokens of the answer
// take at most `room` by `length`. The same bytes for the same seed on any machine. Throws Error
// for a task that is none, for a haystack that is needed and empty, and when the smallest item does
// not fit, with the least length.
NeedleItem make_ruler(const RulerOptions& options, uint64_t index, int64_t room,
                      const std::function<int64_t(const std::string&)>& length);

// The answers that the prompt's own text gives to its question; none when it gives none.
std::vector<std::string> solve_ruler(const std::string& task, std::string_view prompt);

struct ContainedScore {
  double share = 0;  // of the wanted strings that the output contains, letters' case aside: RULER's
  double exact = 0;  // the same where neither letters nor digits may go on before or behind
};
ContainedScore score_contained(std::string_view output, const std::vector<std::string>& wanted);

}  // namespace tessera
