// The CPU engine: runs a compiled network over sequences with their pasts.
#pragma once

#include <memory>
#include <string>

#include "tessera/files/model.h"
#include "tessera/kernels/kernels.h"
#include "tessera/network/activation_bits.h"
#include "tessera/network/network.h"
#include "tessera/network/profile.h"

namespace tessera {

enum class CacheChoice : uint8_t {
  automatic,  // f16 for quantised and 16-bit weights, f32 for f32 ones
  f32,
  f16,
  bf16,  // three bits coarser than f16; for keys or values beyond 65,504
  q8,    // half of f16's bytes: codes of -127 .. 127 with a scale a head's key or value
};

struct EngineOptions {
  CacheChoice cache = CacheChoice::automatic;
  ActivationBits activations = ActivationBits::mixed;
  // Longest text that will be given, and no longer one is served; at most the trained window. It
  // decides the angles of longrope at every position: up to the original window the short factors
  // hold, beyond it the long ones. 0: the trained window, for longrope the original one.
  int64_t context = 0;
  // Rows computed together in prefill; more read the weights fewer times and take more scratch.
  int64_t chunk_rows = 516;
};

// Loads the weights of an opened model, repacked for this processor, with the pool's threads.
std::unique_ptr<Network> load_network(const ModelFiles& model, const EngineOptions& options = {});

// What a loaded network holds, for reports.
struct EngineMemory {
  int64_t weight_bytes = 0, scratch_bytes = 0;
  int64_t cache_bytes_per_token = 0;
};
EngineMemory memory_of(const Network& network);

// What decides the bits of its keys and values: "f16 cache, activations in 15 bits". "" for a
// network of another kind.
std::string engine_text(const Network& network);

// Counts what the passes of the network cost, a reading of the clock a stage, until
// stop_profile(). A network of another kind counts nothing.
void start_profile(Network& network, Profile& profile);
void stop_profile(Network& network);
// Shows an observer (stage.h) what the matrices of every pass read; null: nobody. Not owned. False
// for a network of another kind.
class InputObserver;
bool observe_inputs(Network& network, InputObserver* observer);
// Measured now, with the pool's threads, on a network that has run. Zero for one of another kind.
NetworkFloor floor_of(const Network& network);

}  // namespace tessera
