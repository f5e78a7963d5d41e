#include "tessera/base/random.h"

#include <cassert>
#include <cmath>
#include <numbers>
#include <random>

namespace tessera {
namespace {

constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;

double unit(uint32_t high, uint32_t low) {
  uint64_t bits = (uint64_t{high} << 32 | low) >> 11;
  return static_cast<double>(bits) * 0x1p-53;
}

}  // namespace

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    uint64_t a = uint64_t{kMultiplier0} * counter[0];
    uint64_t b = uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

std::array<uint32_t, 4> Random::block() {
  uint64_t i = index_++;
  return philox({static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32),
                 static_cast<uint32_t>(stream_), static_cast<uint32_t>(stream_ >> 32)},
                {static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)});
}

uint64_t Random::bits() {
  auto b = block();
  return uint64_t{b[0]} << 32 | b[1];
}

double Random::uniform() {
  auto b = block();
  return unit(b[0], b[1]);
}

double Random::normal() {
  auto b = block();
  // 1 - u lies in (0, 1]: its logarithm is finite.
  double radius = std::sqrt(-2 * std::log(1 - unit(b[0], b[1])));
  return radius * std::cos(2 * std::numbers::pi * unit(b[2], b[3]));
}

uint64_t Random::below(uint64_t n) {
  assert(n > 0);
  // The high half of a 64 x 64 bit product, from 32-bit halves.
  uint64_t x = bits();
  uint64_t low = (x & 0xffffffff) * (n & 0xffffffff);
  uint64_t mid1 = (x >> 32) * (n & 0xffffffff) + (low >> 32);
  uint64_t mid2 = (x & 0xffffffff) * (n >> 32) + (mid1 & 0xffffffff);
  return (x >> 32) * (n >> 32) + (mid1 >> 32) + (mid2 >> 32);
}

size_t Random::categorical(std::span<const double> weights) {
  double total = 0;
  for (double w : weights) total += w;
  assert(total > 0 && std::isfinite(total));
  double left = uniform() * total;
  size_t last = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    last = i;
    left -= weights[i];
    if (left < 0) return i;
  }
  return last;  // rounding used the sum up
}

uint64_t fresh_seed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace tessera
