// What running a model takes, from headers alone: nothing is loaded to say it.
#pragma once

#include <cstdint>

#include "tessera/files/model.h"

namespace tessera {

// Sizes in bytes of what stays resident.
struct MemoryPlan {
  int64_t program = 0;  // code, libraries, vocabulary
  int64_t weights = 0;  // as the engine packs them
  int64_t mapped = 0;   // pages of the file that stay: metadata, rows of the embedding table
  int64_t cache_per_token = 0;  // keys and values of one token, all layers
  int64_t scratch = 0;          // activations of one chunk of a prompt, the vectors of a whole one
  int64_t context = 0;          // tokens that `peak` counts
  int64_t peak = 0;             // all of it together
  int64_t available = 0;        // free memory that was planned for
  int64_t longest_context = 0;  // tokens whose cache fits into it; 0 when not even the weights do
};

// Needs a model that was opened with its weights. context 0: the trained one.
MemoryPlan plan_memory(const ModelFiles& model, int64_t context, int64_t available);

// Bytes that a program may still take: the system's free memory, or less where a cgroup says so.
int64_t available_memory();

// Bytes of all weights in the engine's layout.
int64_t packed_weight_bytes(const ModelDescription& d, const Checkpoint& checkpoint);

}  // namespace tessera
