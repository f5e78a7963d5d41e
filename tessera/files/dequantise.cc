#include <cassert>
#include <cstring>

#include "tessera/files/quantise.h"
#include "tessera/kernels/half.h"

namespace tessera {
namespace {

using Bytes = const uint8_t*;

float half_at(Bytes at) {
  uint16_t half;
  std::memcpy(&half, at, 2);
  return half_to_float(half);
}

// The sixteen levels of the iq4 types.
constexpr int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};

// d | 16 bytes: low nibbles are elements 0..15, high ones 16..31.
void q4_0(Bytes b, float* out) {
  const float d = half_at(b);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((b[2 + i] & 15) - 8);
    out[i + 16] = d * static_cast<float>((b[2 + i] >> 4) - 8);
  }
}

// d, m | 16 bytes as q4_0
void q4_1(Bytes b, float* out) {
  const float d = half_at(b), m = half_at(b + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(b[4 + i] & 15) + m;
    out[i + 16] = d * static_cast<float>(b[4 + i] >> 4) + m;
  }
}

// The fifth bits of 32 elements, element i in bit i.
uint32_t fifth_bits(Bytes at) {
  uint32_t bits;
  std::memcpy(&bits, at, 4);
  return bits;
}

int with_fifth_bit(int nibble, uint32_t bits, int i) {
  return nibble | static_cast<int>(bits >> i & 1u) << 4;
}

// d | fifth bits | 16 bytes as q4_0
void q5_0(Bytes b, float* out) {
  const float d = half_at(b);
  const uint32_t bits = fifth_bits(b + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(with_fifth_bit(b[6 + i] & 15, bits, i) - 16);
    out[i + 16] = d * static_cast<float>(with_fifth_bit(b[6 + i] >> 4, bits, i + 16) - 16);
  }
}

// d, m | fifth bits | 16 bytes as q4_0
void q5_1(Bytes b, float* out) {
  const float d = half_at(b), m = half_at(b + 2);
  const uint32_t bits = fifth_bits(b + 4);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(with_fifth_bit(b[8 + i] & 15, bits, i)) + m;
    out[i + 16] = d * static_cast<float>(with_fifth_bit(b[8 + i] >> 4, bits, i + 16)) + m;
  }
}

// d | 32 signed bytes
void q8_0(Bytes b, float* out) {
  const float d = half_at(b);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(b[2 + i]));
}

// K-quants hold 256 elements in sub-blocks. Where two bits an element are packed, byte 32 h + i
// holds elements 128 h + 32 s + i at shift 2 s (h: half, s: 0..3, i: 0..31).

// 16 scales (low nibble) and minima (high nibble) | 64 bytes of two bits | d, dmin
void q2_k(Bytes b, float* out) {
  const float d = half_at(b + 80), least = half_at(b + 82);
  for (int i = 0; i < 256; ++i) {
    const int scale = b[i / 16];
    const int q = b[16 + i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
    out[i] = d * static_cast<float>(scale & 15) * static_cast<float>(q) -
             least * static_cast<float>(scale >> 4);
  }
}

// 32 bytes: bit k of byte i is the third bit of element 32 k + i | 64 bytes of two bits |
// 12 bytes of scales | d.  Scale j of 16: four bits in nibble j / 8 of byte j % 8, the upper two at
// shift 2 (j / 4) of byte 8 + j % 4; biased by 32.
void q3_k(Bytes b, float* out) {
  const float d = half_at(b + 108);
  Bytes scales = b + 96;
  float scale[16];
  for (int j = 0; j < 16; ++j) {
    const int low = scales[j % 8] >> (j / 8 * 4) & 15;
    const int high = scales[8 + j % 4] >> (j / 4 * 2) & 3;
    scale[j] = d * static_cast<float>((low | high << 4) - 32);
  }
  for (int i = 0; i < 256; ++i) {
    const int low = b[32 + i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
    const int high = b[i % 32] >> (i / 32) & 1;
    out[i] = scale[i / 16] * static_cast<float>(low - (high ? 0 : 4));
  }
}

// Scale and minimum j of 8, six bits each, out of 12 bytes: the first four in the low six bits of
// bytes j and j + 4, the others in the nibbles of byte j + 4 and the top two bits of the former.
struct ScaleAndLeast {
  float scale, least;
};
ScaleAndLeast packed_scale(Bytes p, int j) {
  int scale, least;
  if (j < 4) {
    scale = p[j] & 63;
    least = p[j + 4] & 63;
  } else {
    scale = (p[j + 4] & 15) | (p[j - 4] >> 6) << 4;
    least = p[j + 4] >> 4 | (p[j] >> 6) << 4;
  }
  return {static_cast<float>(scale), static_cast<float>(least)};
}

// d, dmin | 12 bytes of scales | 128 bytes: byte 32 h + i holds elements 64 h + i and 64 h + 32 + i
void q4_k(Bytes b, float* out) {
  const float d = half_at(b), least = half_at(b + 2);
  for (int j = 0; j < 8; ++j) {
    const ScaleAndLeast s = packed_scale(b + 4, j);
    for (int i = 0; i < 32; ++i) {
      const int q = b[16 + j / 2 * 32 + i] >> (j % 2 * 4) & 15;
      out[32 * j + i] = d * s.scale * static_cast<float>(q) - least * s.least;
    }
  }
}

// d, dmin | 12 bytes of scales | 32 bytes: bit j of byte i belongs to element 32 j + i | as q4_k
void q5_k(Bytes b, float* out) {
  const float d = half_at(b), least = half_at(b + 2);
  for (int j = 0; j < 8; ++j) {
    const ScaleAndLeast s = packed_scale(b + 4, j);
    for (int i = 0; i < 32; ++i) {
      const int low = b[48 + j / 2 * 32 + i] >> (j % 2 * 4) & 15;
      const int high = b[16 + i] >> j & 1;
      out[32 * j + i] = d * s.scale * static_cast<float>(low | high << 4) - least * s.least;
    }
  }
}

// 128 bytes: byte 64 h + i (i: 0..63) holds the low nibbles of elements 128 h + i and + 64 |
// 64 bytes of upper two bits | 16 signed scales | d
void q6_k(Bytes b, float* out) {
  const float d = half_at(b + 208);
  for (int i = 0; i < 256; ++i) {
    const int low = b[i / 128 * 64 + i % 64] >> (i / 64 % 2 * 4) & 15;
    const int high = b[128 + i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
    const float scale = d * static_cast<float>(static_cast<int8_t>(b[192 + i / 16]));
    out[i] = scale * static_cast<float>((low | high << 4) - 32);
  }
}

// d | 16 bytes as q4_0, nibbles name levels
void iq4_nl(Bytes b, float* out) {
  const float d = half_at(b);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(kIq4Levels[b[2 + i] & 15]);
    out[i + 16] = d * static_cast<float>(kIq4Levels[b[2 + i] >> 4]);
  }
}

// d | upper two bits of 8 scales | their low nibbles | 8 sub-blocks of 16 bytes as iq4_nl
void iq4_xs(Bytes b, float* out) {
  const float d = half_at(b);
  uint16_t upper;
  std::memcpy(&upper, b + 2, 2);
  for (int j = 0; j < 8; ++j) {
    const int low = b[4 + j / 2] >> (j % 2 * 4) & 15;
    const float scale = d * static_cast<float>((low | (upper >> (2 * j) & 3) << 4) - 32);
    for (int i = 0; i < 16; ++i) {
      const uint8_t pair = b[8 + 16 * j + i];
      out[32 * j + i] = scale * static_cast<float>(kIq4Levels[pair & 15]);
      out[32 * j + i + 16] = scale * static_cast<float>(kIq4Levels[pair >> 4]);
    }
  }
}

template <class T>
void plain(Bytes b, std::span<float> out) {
  for (float& x : out) {
    T value;
    std::memcpy(&value, b, sizeof(T));
    x = static_cast<float>(value);
    b += sizeof(T);
  }
}

template <float (*convert)(uint16_t)>
void sixteen_bits(Bytes b, std::span<float> out) {
  for (float& x : out) {
    uint16_t value;
    std::memcpy(&value, b, 2);
    x = convert(value);
    b += 2;
  }
}

void blocks(DType type, void (*block)(Bytes, float*), Bytes b, std::span<float> out) {
  const TypeLayout layout = layout_of(type);
  for (size_t i = 0; i < out.size(); i += static_cast<size_t>(layout.block_elements)) {
    block(b, out.data() + i);
    b += layout.block_bytes;
  }
}

}  // namespace

void dequantise(DType type, std::span<const std::byte> data, std::span<float> out) {
  assert(out.size() % static_cast<size_t>(layout_of(type).block_elements) == 0);
  assert(data.size() >= static_cast<size_t>(bytes_of(type, static_cast<int64_t>(out.size()))));
  auto b = reinterpret_cast<Bytes>(data.data());
  switch (type) {
    case DType::f32:
      if (!out.empty()) std::memcpy(out.data(), b, out.size_bytes());
      return;
    case DType::f16:
      return sixteen_bits<half_to_float>(b, out);
    case DType::bf16:
      return sixteen_bits<bfloat_to_float>(b, out);
    case DType::f64:
      return plain<double>(b, out);
    case DType::i8:
      return plain<int8_t>(b, out);
    case DType::i16:
      return plain<int16_t>(b, out);
    case DType::i32:
      return plain<int32_t>(b, out);
    case DType::i64:
      return plain<int64_t>(b, out);
    case DType::q4_0:
      return blocks(type, q4_0, b, out);
    case DType::q4_1:
      return blocks(type, q4_1, b, out);
    case DType::q5_0:
      return blocks(type, q5_0, b, out);
    case DType::q5_1:
      return blocks(type, q5_1, b, out);
    case DType::q8_0:
      return blocks(type, q8_0, b, out);
    case DType::q2_k:
      return blocks(type, q2_k, b, out);
    case DType::q3_k:
      return blocks(type, q3_k, b, out);
    case DType::q4_k:
      return blocks(type, q4_k, b, out);
    case DType::q5_k:
      return blocks(type, q5_k, b, out);
    case DType::q6_k:
      return blocks(type, q6_k, b, out);
    case DType::iq4_nl:
      return blocks(type, iq4_nl, b, out);
    case DType::iq4_xs:
      return blocks(type, iq4_xs, b, out);
  }
}

}  // namespace tessera
