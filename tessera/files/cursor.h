// Reads little-endian values from untrusted bytes: nothing is read, and no count believed, beyond
// the bytes that are left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "tessera/base/error.h"

namespace tessera {

class Cursor {
 public:
  // `file` names the bytes in errors.
  Cursor(std::span<const std::byte> bytes, std::string file)
      : bytes_(bytes), file_(std::move(file)) {}

  size_t at() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }

  // The next value of a plain type. `field` is what the format calls it.
  template <class T>
  T read(std::string_view field) {
    T value;
    std::memcpy(&value, take(sizeof(T), field).data(), sizeof(T));
    return value;
  }

  // The next `size` bytes, which must be there.
  std::span<const std::byte> take(uint64_t size, std::string_view field) {
    if (size > left()) {
      throw fault(std::string(field) + " needs " + std::to_string(size) + " bytes, but only " +
                      std::to_string(left()) + " are left: cut short or damaged",
                  "Get the file again.");
    }
    std::span<const std::byte> part = bytes_.subspan(at_, size);
    at_ += size;
    return part;
  }

  // The next number of things of at least `least_bytes` bytes each.
  uint64_t count(std::string_view field, uint64_t least_bytes) {
    size_t place = at_;
    uint64_t n = read<uint64_t>(field);
    if (n > left() / least_bytes) {
      throw Error(file_ + ": byte " + std::to_string(place),
                  std::string(field) + " is " + std::to_string(n) + ", but the " +
                      std::to_string(left()) + " bytes left hold " +
                      std::to_string(left() / least_bytes) + " at most: damaged",
                  "Get the file again.");
    }
    return n;
  }

  // A string with its 64-bit length in front.
  std::string_view string(std::string_view field) {
    uint64_t n = count(field, 1);
    std::span<const std::byte> part = take(n, field);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

  // An Error at the current byte.
  Error fault(const std::string& what, const std::string& remedy = "") const {
    return Error(file_ + ": byte " + std::to_string(at_), what, remedy);
  }

 private:
  std::span<const std::byte> bytes_;
  std::string file_;
  size_t at_ = 0;
};

}  // namespace tessera
