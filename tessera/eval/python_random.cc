#include "tessera/eval/python_random.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace tessera {
namespace {

constexpr size_t kApart = 397;
constexpr uint32_t kTop = 0x80000000U, kMatrix = 0x9908b0dfU;

// What a word of the state gives to the seeding of the next one.
uint32_t mixed(uint32_t word) { return word ^ (word >> 30); }

}  // namespace

PythonRandom::PythonRandom(uint64_t seed) {
  std::vector<uint32_t> key = {static_cast<uint32_t>(seed)};
  if (seed >> 32 != 0) key.push_back(static_cast<uint32_t>(seed >> 32));
  state_[0] = 19650218U;
  for (size_t i = 1; i < kWords; ++i) {
    state_[i] = 1812433253U * mixed(state_[i - 1]) + static_cast<uint32_t>(i);
  }
  size_t at = 1;
  auto step = [&] {
    if (++at < kWords) return;
    state_[0] = state_[kWords - 1];
    at = 1;
  };
  for (size_t i = 0; i < kWords; ++i) {
    const size_t of = i % key.size();
    state_[at] =
        (state_[at] ^ (mixed(state_[at - 1]) * 1664525U)) + key[of] + static_cast<uint32_t>(of);
    step();
  }
  for (size_t i = 1; i < kWords; ++i) {
    state_[at] = (state_[at] ^ (mixed(state_[at - 1]) * 1566083941U)) - static_cast<uint32_t>(at);
    step();
  }
  state_[0] = kTop;
}

void PythonRandom::twist() {
  for (size_t i = 0; i < kWords; ++i) {
    const uint32_t joined = (state_[i] & kTop) | (state_[(i + 1) % kWords] & ~kTop);
    state_[i] = state_[(i + kApart) % kWords] ^ (joined >> 1) ^ ((joined & 1U) != 0 ? kMatrix : 0U);
  }
  next_ = 0;
}

uint32_t PythonRandom::bits() {
  if (next_ == kWords) twist();
  uint32_t y = state_[next_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680U;
  y ^= (y << 15) & 0xefc60000U;
  return y ^ (y >> 18);
}

std::string PythonRandom::uuid() {
  std::array<uint32_t, 4> words{};
  for (uint32_t& word : words) word = bits();  // the lowest ones first
  std::string out = fmt::format("{:08x}{:08x}{:08x}{:08x}", words[3], words[2], words[1], words[0]);
  for (const size_t dash : {8, 13, 18, 23}) out.insert(dash, 1, '-');
  return out;
}

}  // namespace tessera
