// The numbers of Python's random.Random: the Mersenne Twister MT19937, seeded as Python does it, so
// that data which others drew with it can be drawn again.
// Source: Matsumoto and Nishimura 1998, "Mersenne Twister", ACM TOMACS 8(1), with the seeding by an
// array of their program of 2002.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace tessera {

class PythonRandom {
 public:
  // As random.Random(seed).
  explicit PythonRandom(uint64_t seed);
  // As getrandbits(32).
  uint32_t bits();
  // As str(uuid.UUID(int=getrandbits(128))).
  std::string uuid();

 private:
  static constexpr size_t kWords = 624;
  void twist();
  std::array<uint32_t, kWords> state_{};
  size_t next_ = kWords;
};

}  // namespace tessera
