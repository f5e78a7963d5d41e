// recall-mini: a model of two layers that was trained to recall (recall_task.h) and does nothing
// else. Inside its 256 tokens it is right, so that whatever is lost beyond them, or under a budget,
// is the policy's loss. Recipe and figures: docs/repro/recall-mini.md.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tessera/eval/recall_task.h"
#include "tessera/files/model.h"

namespace tessera {

// The window that it is trained for, and the share of questions (each pair asked once) that it must
// answer there to be used.
inline constexpr RecallShape kRecallWindow{256, 32};
inline constexpr double kRecallAccepted = 0.99;

struct RecallTraining {
  uint64_t seed = 1;
  int64_t most_steps = 3000;
  int64_t tokens_a_step = 2048;
  // Steps after which a run that is still on the shortest sequences is given up.
  int64_t patience = 800;
  // Called after every step; false ends the training.
  struct Step {
    int64_t number = 0, length = 0;  // length: of the sequences now
    double loss = 0, accuracy = 0;   // nats a question; share of this step's questions
  };
  std::function<bool(const Step&)> each = {};
};

struct RecallMiniRequest {
  std::function<void(std::string_view)> progress = {};  // takes what a terminal should show
  std::function<bool()> stopped = {};                   // whether nobody waits any longer
};

// Where it is kept: tessera/recall-mini-1 in XDG's cache home.
std::string recall_mini_folder();

// Opens it, after training it where it is missing: one to two minutes of one processor, and
// libtorch is needed. Throws Error without the workshop library, when four seeds in a row give no
// model that is good enough, and for a kept one that is not.
ModelFiles open_recall_mini(const RecallMiniRequest& request);

}  // namespace tessera
