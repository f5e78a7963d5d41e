// How policies recall on recall-mini, beyond the length that it was trained for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tessera/eval/recall_mini.h"
#include "tessera/eval/recall_task.h"
#include "tessera/eval/repro.h"
#include "tessera/eval/repro_tools.h"
#include "tessera/network/selection_trace.h"

namespace tessera {

struct RecallCell {
  RecallScore score;
  ReproFigure all, far;  // shares recalled in %, named by the policy
};

class RecallBench {
 public:
  // Opens recall-mini, training it where it is missing. `cells`: how often ask() will be called.
  RecallBench(const ReproRequest& request, int64_t cells);

  // Asks 512 questions, or request.items rounded up to whole sequences of 32, in sequences of
  // `length`; `far` as in recall_score(). Full attention is asked in texts of any length, too.
  // `sink` (null: nobody) is told what is chosen.
  RecallCell ask(const std::string& policy, int64_t length, int64_t far = 0,
                 SelectionSink* sink = nullptr);

 private:
  ReproRequest request_;
  ModelFiles files_;
  int64_t sequences_ = 0, served_ = 0;
  std::unique_ptr<Network> network_;  // opened for texts of served_
  ReproProgress progress_;
};

}  // namespace tessera
