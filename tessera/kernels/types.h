// Element types of stored tensors, as GGUF and safetensors files have them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tessera {

// Values are GGUF's own type numbers.
enum class DType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  iq4_nl = 20,
  iq4_xs = 23,
  i8 = 24,
  i16 = 25,
  i32 = 26,
  i64 = 27,
  f64 = 28,
  bf16 = 30,
};

// Elements are stored in blocks: 1 element for plain types, 32 or 256 for quantised ones.
struct TypeLayout {
  std::string_view name;  // "q4_1"
  int64_t block_elements;
  int64_t block_bytes;
};

// Layout of a type; std::nullopt for a number that this build does not read.
std::optional<TypeLayout> layout_of(uint32_t gguf_type);
// Needs a value of the enumeration.
TypeLayout layout_of(DType type);
// The names of all types, in the enumeration's order, separated by spaces.
std::string_view all_type_names();

// Bytes of `elements` (a multiple of the block) elements.
inline int64_t bytes_of(DType type, int64_t elements) {
  TypeLayout l = layout_of(type);
  return elements / l.block_elements * l.block_bytes;
}

}  // namespace tessera
