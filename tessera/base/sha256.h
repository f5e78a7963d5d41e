// SHA-256 (FIPS 180-4): which content this is.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

// Of bytes that come in pieces; all pieces together count.
class Sha256 {
 public:
  void update(std::string_view bytes);
  // 64 hexadecimal digits in lower case. Nothing may be added afterwards.
  std::string hex();

 private:
  void block(const unsigned char* bytes);

  std::array<uint32_t, 8> state_ = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                                    0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};
  std::array<unsigned char, 64> waiting_{};
  uint64_t size_ = 0;
};

std::string sha256(std::string_view bytes);

}  // namespace tessera
