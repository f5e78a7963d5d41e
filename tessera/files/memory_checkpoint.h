// Weights in memory, for a network that no file holds yet.
#pragma once

#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "tessera/files/checkpoint.h"
#include "tessera/files/model_description.h"

namespace tessera {

class MemoryCheckpoint final : public Checkpoint {
 public:
  // Every weight that `d` asks for, all zeros in fp32, under the names of its family; no biases.
  // Throws Error for a family that is not known, and for a description with experts.
  explicit MemoryCheckpoint(const ModelDescription& d);

  Parameter weight(const Place& place) const override;
  Parameter bias(const Place&) const override { return {}; }
  void release(const Parameter&) const override {}

  // Of all weights, outside the layers first.
  const std::vector<Place>& places() const { return places_; }
  // The values of one of them, to be written to.   [rows, columns]
  std::span<float> values(const Place& place);

 private:
  struct Stored {
    std::string module;
    int64_t rows = 0, columns = 0;
    std::vector<float> values;
  };
  using Key = std::tuple<int, int64_t>;
  static Key key_of(const Place& p) { return {static_cast<int>(p.part), p.layer}; }

  std::vector<Place> places_;
  std::map<Key, Stored> stored_;
};

}  // namespace tessera
