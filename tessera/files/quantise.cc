#include "tessera/files/quantise.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "tessera/files/block_grid.h"
#include "tessera/kernels/half.h"

namespace tessera {
namespace {

void put_half(uint8_t* at, float value) {
  const uint16_t half = float_to_half(value);
  std::memcpy(at, &half, 2);
}

// x truncated to a whole number from 0 to most.
uint8_t level(float x, int most) { return static_cast<uint8_t>(std::clamp(x, 0.0f, 1.0f * most)); }

// Two nibbles a byte as q4_0 has them, and the fifth bits when there are any.
void put_nibbles(const uint8_t* q, uint8_t* nibbles, uint8_t* fifth) {
  uint32_t bits = 0;
  for (int i = 0; i < 32; ++i) bits |= static_cast<uint32_t>(q[i] >> 4) << i;
  if (fifth) std::memcpy(fifth, &bits, 4);
  for (int i = 0; i < 16; ++i) {
    nibbles[i] = static_cast<uint8_t>((q[i] & 15) | (q[i + 16] & 15) << 4);
  }
}

// Symmetric blocks: the value of largest magnitude becomes level 0, of the full negative range.
void symmetric(const float* x, uint8_t* b, int bits) {
  float extreme = 0;
  for (int i = 0; i < 32; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  const int half_range = 1 << (bits - 1);
  const float d = extreme / static_cast<float>(-half_range);
  const float inverse = d == 0 ? 0 : 1 / d;
  uint8_t q[32];
  for (int i = 0; i < 32; ++i) {
    q[i] = level(x[i] * inverse + (static_cast<float>(half_range) + 0.5f), 2 * half_range - 1);
  }
  put_half(b, d);
  put_nibbles(q, bits == 5 ? b + 6 : b + 2, bits == 5 ? b + 2 : nullptr);
}

// Blocks with a minimum.
void affine(const float* x, uint8_t* b, int bits) {
  const auto [least, most] = std::minmax_element(x, x + 32);
  const int levels = (1 << bits) - 1;
  const float d = (*most - *least) / static_cast<float>(levels);
  const float inverse = d == 0 ? 0 : 1 / d;
  uint8_t q[32];
  for (int i = 0; i < 32; ++i) q[i] = level((x[i] - *least) * inverse + 0.5f, levels);
  put_half(b, d);
  put_half(b + 2, *least);
  put_nibbles(q, bits == 5 ? b + 8 : b + 4, bits == 5 ? b + 4 : nullptr);
}

void q4_0(const float* x, uint8_t* b) { symmetric(x, b, 4); }
void q5_0(const float* x, uint8_t* b) { symmetric(x, b, 5); }
void q4_1(const float* x, uint8_t* b) { affine(x, b, 4); }
void q5_1(const float* x, uint8_t* b) { affine(x, b, 5); }

void q8_0(const float* x, uint8_t* b) {
  float most = 0;
  for (int i = 0; i < 32; ++i) most = std::max(most, std::fabs(x[i]));
  const float d = most / 127;
  const float inverse = d == 0 ? 0 : 1 / d;
  put_half(b, d);
  for (int i = 0; i < 32; ++i) b[2 + i] = static_cast<uint8_t>(std::lround(x[i] * inverse));
}

// What has no reference of ggml's to follow: the fitted grid's nearest codes.
void fitted(DType type, std::span<const float> x, std::span<const float> weights, uint8_t* b) {
  const BlockGrid grid = fit_grid(type, x, weights);
  std::array<int8_t, BlockGrid::kMostElements> codes;
  for (size_t i = 0; i < x.size(); ++i) {
    codes[i] = static_cast<int8_t>(grid.nearest(static_cast<int>(i) / grid.part_elements, x[i]));
  }
  put_block(type, grid, std::span(codes).first(x.size()), b);
}

template <DType type>
void k_block(const float* x, uint8_t* b) {
  fitted(type, {x, BlockGrid::kMostElements}, {}, b);
}

double weighted_error(DType type, std::span<const float> x, std::span<const float> weights,
                      std::span<const std::byte> block) {
  std::array<float, BlockGrid::kMostElements> back;
  dequantise(type, block, std::span(back).first(x.size()));
  double error = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double off = static_cast<double>(x[i]) - back[i];
    error += weights[i] * off * off;
  }
  return error;
}

void blocks(DType type, void (*block)(const float*, uint8_t*), std::span<const float> values,
            uint8_t* out) {
  const TypeLayout layout = layout_of(type);
  for (size_t i = 0; i < values.size(); i += static_cast<size_t>(layout.block_elements)) {
    block(values.data() + i, out);
    out += layout.block_bytes;
  }
}

template <uint16_t (*convert)(float)>
void sixteen_bits(std::span<const float> values, uint8_t* out) {
  for (float x : values) {
    const uint16_t value = convert(x);
    std::memcpy(out, &value, 2);
    out += 2;
  }
}

}  // namespace

std::span<const DType> writable_types() {
  static constexpr std::array types = {DType::f32,  DType::f16,  DType::bf16, DType::q8_0,
                                       DType::q6_k, DType::q5_k, DType::q5_1, DType::q5_0,
                                       DType::q4_k, DType::q4_1, DType::q4_0};
  return types;
}

bool can_quantise(DType type) {
  return std::ranges::find(writable_types(), type) != writable_types().end();
}

void quantise(DType type, std::span<const float> values, std::span<std::byte> out) {
  assert(can_quantise(type));
  assert(out.size() == static_cast<size_t>(bytes_of(type, static_cast<int64_t>(values.size()))));
  auto* b = reinterpret_cast<uint8_t*>(out.data());
  switch (type) {
    case DType::f32:
      if (!values.empty()) std::memcpy(b, values.data(), values.size_bytes());
      return;
    case DType::f16:
      return sixteen_bits<float_to_half>(values, b);
    case DType::bf16:
      return sixteen_bits<float_to_bfloat>(values, b);
    case DType::q4_0:
      return blocks(type, q4_0, values, b);
    case DType::q4_1:
      return blocks(type, q4_1, values, b);
    case DType::q5_0:
      return blocks(type, q5_0, values, b);
    case DType::q5_1:
      return blocks(type, q5_1, values, b);
    case DType::q8_0:
      return blocks(type, q8_0, values, b);
    case DType::q4_k:
      return blocks(type, k_block<DType::q4_k>, values, b);
    case DType::q5_k:
      return blocks(type, k_block<DType::q5_k>, values, b);
    case DType::q6_k:
      return blocks(type, k_block<DType::q6_k>, values, b);
    default:
      return;
  }
}

void quantise_weighted(DType type, std::span<const float> values, std::span<const float> weights,
                       std::span<std::byte> out) {
  quantise(type, values, out);
  if (!has_grid(type)) return;
  const TypeLayout layout = layout_of(type);
  const auto n = static_cast<size_t>(layout.block_elements),
             bytes = static_cast<size_t>(layout.block_bytes);
  std::array<std::byte, 256> other;
  for (size_t at = 0; at < values.size(); at += n) {
    const auto x = values.subspan(at, n), w = weights.subspan(at % weights.size(), n);
    const auto plain = out.subspan(at / n * bytes, bytes);
    if (std::ranges::all_of(w, [&](float v) { return v == w[0]; })) continue;
    const auto block = std::span(other).first(bytes);
    fitted(type, x, w, reinterpret_cast<uint8_t*>(block.data()));
    if (weighted_error(type, x, w, block) < weighted_error(type, x, w, plain)) {
      std::ranges::copy(block, plain.begin());
    }
  }
}

}  // namespace tessera
