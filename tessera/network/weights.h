// The weights of a network as its kernels read them: repacked once, in the order in which a token
// reads them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tessera/base/big_buffer.h"
#include "tessera/files/checkpoint.h"
#include "tessera/kernels/packing.h"
#include "tessera/network/graph.h"

namespace tessera {

class Weights {
 public:
  // A matrix that plan() will need; given out packed after load().
  struct Entry {
    Parameter parameter;
    PackedMatrix matrix;
  };

  // Declares a matrix; returns its number. The same place twice is the same number.
  int64_t declare(const Checkpoint& checkpoint, const Place& place);
  // Allocates and packs everything that was declared, with the pool's threads, and releases the
  // file's pages. Throws Error naming a tensor with values that are not finite.
  void load(const Checkpoint& checkpoint);
  const PackedMatrix& matrix(int64_t number) const {
    return entries_[static_cast<size_t>(number)].matrix;
  }
  const std::string& module(int64_t number) const {
    return entries_[static_cast<size_t>(number)].parameter.module;
  }
  // Vectors (norms, biases) and small tables in fp32, padded with zeros to a multiple of 16.
  const float* vector(const Parameter& p);
  // All of them, packed, one after the other.
  std::span<const std::byte> packed() const {
    return {buffer_.data(), static_cast<size_t>(buffer_.size())};
  }
  // Bytes that one token reads (matrices; experts counted once each).
  int64_t bytes() const { return buffer_.size(); }

 private:
  std::vector<Entry> entries_;
  std::vector<Place> places_;
  std::vector<std::vector<float>> vectors_;
  BigBuffer buffer_;
};

}  // namespace tessera
