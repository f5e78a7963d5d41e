// --profile: where the time of a run went, for people and for machines.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "tessera/network/engine.h"

namespace tessera::cli {

// Counts the passes of a network as reading the prompt until decoding_begins(), and as decoding
// until it is destroyed. The network must outlive it.
class PhaseProfile {
 public:
  explicit PhaseProfile(Network& network) : network_(network) { start_profile(network, prefill_); }
  ~PhaseProfile() { stop_profile(network_); }
  PhaseProfile(const PhaseProfile&) = delete;
  PhaseProfile& operator=(const PhaseProfile&) = delete;

  void decoding_begins() { start_profile(network_, decode_); }
  // Both measure the floor, which takes some 0.1 s.
  // A table a phase: each operation's time beside the least that it could take.
  std::string table() const;
  // {"floor": .., "prefill": {"passes", "seconds", "operations": [..]}, "decode": ..}
  nlohmann::ordered_json json() const;

 private:
  Network& network_;
  Profile prefill_, decode_;
};

}  // namespace tessera::cli
