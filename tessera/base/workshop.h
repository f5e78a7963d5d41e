// The way from the engine to the workshop library, which is opened only when something asks for it:
// loading libtorch takes 430 MB and 0.2 s that nobody should pay who only runs models.
#pragma once

#include <memory>
#include <string>

namespace tessera {

class Network;
struct ModelFiles;
struct RecallTraining;

// What the workshop offers. Its one exported symbol, `tessera_workshop`, gives this table.
struct WorkshopTable {
  const char* version;         // of the workshop: must equal version()
  std::string (*libraries)();  // "libtorch 2.13.0, 2 threads"
  // The network of an opened model, executed by libtorch on `device` ("cpu", "cuda", "cuda:1"); on
  // "cpu" by as many threads as the pool has.
  std::unique_ptr<Network> (*load_network)(const ModelFiles& model, const std::string& device);
  // recall-mini (eval/recall_mini.h), in memory.
  ModelFiles (*train_recall)(const RecallTraining& training);
};

// Opens libtessera-workshop.so beside this library. Throws Error with the remedy when it is not
// installed, cannot be loaded, or belongs to another version.
const WorkshopTable& open_workshop();

}  // namespace tessera
