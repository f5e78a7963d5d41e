// A fast hash by which contents are told apart. Not for secrets.
// Source: XXH64 as specified by the xxHash project, so that `xxhsum -H1` gives the same numbers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

// Hashes bytes as they come, in parts of any size.
class Hash64 {
 public:
  explicit Hash64(uint64_t seed = 0);
  void add(std::string_view bytes);
  // The number's eight bytes, lowest first.
  void add(uint64_t number);
  // Of all bytes so far; more may follow.
  uint64_t value() const;

 private:
  void block(std::string_view bytes);  // 32 of them

  std::array<uint64_t, 4> lanes_;
  uint64_t seed_, size_ = 0;
  std::array<char, 32> held_{};
};

uint64_t hash_of(std::string_view bytes, uint64_t seed = 0);
// "xxh64:44bc2cf5ad770999".
std::string hash_text(uint64_t hash);

}  // namespace tessera
