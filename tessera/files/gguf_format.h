// The numbers of the GGUF format that reader and writer share. Format: docs/formats/gguf.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tessera {

// GGUF's own numbers of value types.
enum class GgufType : uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

// Bytes of a value of a type of fixed size; 0 for strings, arrays and unknown numbers.
inline size_t fixed_size(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean:
      return 1;
    case GgufType::u16:
    case GgufType::i16:
      return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32:
      return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64:
      return 8;
    case GgufType::string:
    case GgufType::array:
      break;
  }
  return 0;
}

inline constexpr std::string_view kGgufMagic = "GGUF";
inline constexpr uint64_t kGgufDefaultAlignment = 32;

}  // namespace tessera
