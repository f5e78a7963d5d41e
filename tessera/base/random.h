// Counter-based random numbers: a draw depends on nothing but seed, stream and index, so that the
// same numbers come out for any number of threads and whatever else was drawn before.
// Source: Philox4x32-10, Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera {

// One block of Philox4x32 with ten rounds; a bijection of the counter for each key.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// A place in one stream of draws. Each call below consumes exactly one index, so that seek() finds
// any draw again. Cheap to copy; copies go on independently. Give each branch, worker or item a
// stream of its own.
class Random {
 public:
  explicit Random(uint64_t seed, uint64_t stream = 0, uint64_t index = 0)
      : seed_(seed), stream_(stream), index_(index) {}

  uint64_t seed() const { return seed_; }
  uint64_t stream() const { return stream_; }
  // Index of the next draw.
  uint64_t index() const { return index_; }
  void seek(uint64_t index) { index_ = index; }
  // The beginning of another stream of the same seed.
  Random other(uint64_t stream) const { return Random(seed_, stream); }

  // 64 random bits.
  uint64_t bits();
  // In [0, 1), a multiple of 2^-53.
  double uniform();
  // Standard normal (Box-Muller, one of the pair, so that a draw is one index).
  double normal();
  // In [0, n). Needs n > 0. Off from uniform by less than n / 2^64.
  uint64_t below(uint64_t n);
  // Index of an entry with probability proportional to its weight. Needs a positive finite sum and
  // no negative weight; an entry of weight 0 is never drawn.
  size_t categorical(std::span<const double> weights);

 private:
  std::array<uint32_t, 4> block();
  uint64_t seed_, stream_, index_;
};

// A seed from the system's source of entropy, for runs that were given none.
uint64_t fresh_seed();

}  // namespace tessera
