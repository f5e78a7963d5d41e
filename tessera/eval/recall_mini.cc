#include "tessera/eval/recall_mini.h"

#include <cstdlib>
#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/progress.h"
#include "tessera/base/workshop.h"
#include "tessera/files/export_folder.h"
#include "tessera/network/engine.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSeeds = 4;
constexpr int64_t kChecked = 32;          // sequences
constexpr uint64_t kCheckSeed = 1000000;  // no training draws from it

double accuracy_of(const ModelFiles& model) {
  return recall_score(*load_network(model), "full", kRecallWindow, kChecked, kCheckSeed).share();
}

void train_into(const fs::path& folder, const RecallMiniRequest& request) {
  const WorkshopTable& workshop = open_workshop();
  double last = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    ProgressOptions shown;
    shown.label = "training recall-mini";
    shown.unit = "steps";
    shown.sink = request.progress;
    Progress bar(shown);
    RecallTraining training;
    training.seed = seed;
    training.each = [&](const RecallTraining::Step&) {
      bar.advance();
      return !request.stopped || !request.stopped();
    };
    const ModelFiles model = workshop.train_recall(training);
    bar.finish();
    if (request.stopped && request.stopped()) {
      throw Error("recall-mini", "its training was stopped", "The same command starts it again.");
    }
    last = accuracy_of(model);
    if (last < kRecallAccepted) continue;
    std::error_code failed;
    fs::create_directories(folder.parent_path(), failed);
    export_folder(model, {}, folder.string(), {.type = DType::f32});
    return;
  }
  throw Error("recall-mini",
              fmt::format("{} runs of training gave no model that is right {:.0f} times in 100; "
                          "the last one {:.1f} times",
                          kSeeds, 100 * kRecallAccepted, 100 * last));
}

}  // namespace

std::string recall_mini_folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const fs::path base = cache && *cache ? fs::path(cache)
                        : home && *home ? fs::path(home) / ".cache"
                                        : fs::temp_directory_path();
  return (base / "tessera" / "recall-mini-1").string();
}

ModelFiles open_recall_mini(const RecallMiniRequest& request) {
  const std::string folder = recall_mini_folder();
  const bool fresh = !fs::exists(folder);
  if (fresh) train_into(folder, request);
  ModelFiles model;
  try {
    model = open_model(folder);
  } catch (const Error& error) {
    throw Error(error.where(), error.fault(), "Delete " + folder + ", and it is trained again.");
  }
  if (fresh) return model;
  const double accuracy = accuracy_of(model);
  if (accuracy < kRecallAccepted) {
    throw Error(folder,
                fmt::format("is right {:.1f} times in 100 inside its window, not {:.0f}",
                            100 * accuracy, 100 * kRecallAccepted),
                "Delete it, and it is trained again.");
  }
  return model;
}

}  // namespace tessera
