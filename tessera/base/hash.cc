#include "tessera/base/hash.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tessera {
namespace {

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87, kPrime2 = 0xC2B2AE3D27D4EB4F,
                   kPrime3 = 0x165667B19E3779F9, kPrime4 = 0x85EBCA77C2B2AE63,
                   kPrime5 = 0x27D4EB2F165667C5;

// The number in the first bytes. Needs as many.
template <class Number>
Number read(std::string_view bytes) {
  static_assert(std::endian::native == std::endian::little);
  std::array<char, sizeof(Number)> first{};
  bytes.copy(first.data(), first.size());
  return std::bit_cast<Number>(first);
}

uint64_t mixed(uint64_t lane, uint64_t input) {
  return std::rotl(lane + input * kPrime2, 31) * kPrime1;
}

}  // namespace

Hash64::Hash64(uint64_t seed)
    : lanes_{seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1}, seed_(seed) {}

void Hash64::block(std::string_view bytes) {
  for (size_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i] = mixed(lanes_[i], read<uint64_t>(bytes.substr(8 * i)));
  }
}

void Hash64::add(std::string_view bytes) {
  const size_t held = size_ % held_.size();
  size_ += bytes.size();
  if (held > 0) {
    const size_t taken = std::min(bytes.size(), held_.size() - held);
    bytes.copy(held_.data() + held, taken);
    bytes.remove_prefix(taken);
    if (held + taken < held_.size()) return;
    block({held_.data(), held_.size()});
  }
  for (; bytes.size() >= held_.size(); bytes.remove_prefix(held_.size())) block(bytes);
  bytes.copy(held_.data(), bytes.size());
}

void Hash64::add(uint64_t number) {
  std::array<char, 8> bytes{};
  std::memcpy(bytes.data(), &number, bytes.size());
  add(std::string_view(bytes.data(), bytes.size()));
}

uint64_t Hash64::value() const {
  uint64_t hash = seed_ + kPrime5;
  if (size_ >= held_.size()) {
    hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) +
           std::rotl(lanes_[3], 18);
    for (uint64_t lane : lanes_) hash = (hash ^ mixed(0, lane)) * kPrime1 + kPrime4;
  }
  hash += size_;
  std::string_view left(held_.data(), size_ % held_.size());
  for (; left.size() >= 8; left.remove_prefix(8)) {
    hash = std::rotl(hash ^ mixed(0, read<uint64_t>(left)), 27) * kPrime1 + kPrime4;
  }
  if (left.size() >= 4) {
    hash = std::rotl(hash ^ read<uint32_t>(left) * kPrime1, 23) * kPrime2 + kPrime3;
    left.remove_prefix(4);
  }
  for (char c : left) {
    hash = std::rotl(hash ^ static_cast<unsigned char>(c) * kPrime5, 11) * kPrime1;
  }
  hash = (hash ^ hash >> 33) * kPrime2;
  hash = (hash ^ hash >> 29) * kPrime3;
  return hash ^ hash >> 32;
}

uint64_t hash_of(std::string_view bytes, uint64_t seed) {
  Hash64 hash(seed);
  hash.add(bytes);
  return hash.value();
}

std::string hash_text(uint64_t hash) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "xxh64:";
  for (int shift = 60; shift >= 0; shift -= 4) out += kHex[hash >> shift & 15];
  return out;
}

}  // namespace tessera
