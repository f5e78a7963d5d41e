#include "tessera/kernels/types.h"

#include <cassert>

namespace tessera {

std::optional<TypeLayout> layout_of(uint32_t gguf_type) {
  switch (static_cast<DType>(gguf_type)) {
    case DType::f32:
      return TypeLayout{"f32", 1, 4};
    case DType::f16:
      return TypeLayout{"f16", 1, 2};
    case DType::q4_0:
      return TypeLayout{"q4_0", 32, 18};
    case DType::q4_1:
      return TypeLayout{"q4_1", 32, 20};
    case DType::q5_0:
      return TypeLayout{"q5_0", 32, 22};
    case DType::q5_1:
      return TypeLayout{"q5_1", 32, 24};
    case DType::q8_0:
      return TypeLayout{"q8_0", 32, 34};
    case DType::q2_k:
      return TypeLayout{"q2_k", 256, 84};
    case DType::q3_k:
      return TypeLayout{"q3_k", 256, 110};
    case DType::q4_k:
      return TypeLayout{"q4_k", 256, 144};
    case DType::q5_k:
      return TypeLayout{"q5_k", 256, 176};
    case DType::q6_k:
      return TypeLayout{"q6_k", 256, 210};
    case DType::iq4_nl:
      return TypeLayout{"iq4_nl", 32, 18};
    case DType::iq4_xs:
      return TypeLayout{"iq4_xs", 256, 136};
    case DType::i8:
      return TypeLayout{"i8", 1, 1};
    case DType::i16:
      return TypeLayout{"i16", 1, 2};
    case DType::i32:
      return TypeLayout{"i32", 1, 4};
    case DType::i64:
      return TypeLayout{"i64", 1, 8};
    case DType::f64:
      return TypeLayout{"f64", 1, 8};
    case DType::bf16:
      return TypeLayout{"bf16", 1, 2};
  }
  return std::nullopt;
}

TypeLayout layout_of(DType type) {
  const auto layout = layout_of(static_cast<uint32_t>(type));
  assert(layout);  // every type of ours has one
  return layout.value_or(TypeLayout{});
}

std::string_view all_type_names() {
  return "f32 f16 bf16 f64 q4_0 q4_1 q5_0 q5_1 q8_0 q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs i8 i16 "
         "i32 i64";
}

}  // namespace tessera
