#include "tessera/kernels/packing.h"

#include <array>
#include <cstring>

#include "tessera/kernels/half.h"

namespace tessera {
namespace {

struct Shape {
  int64_t code_lines;   // of 64 bytes a block; 0 for plain packings
  int64_t scale_bytes;  // behind the codes of a block
};

Shape shape_of(Packing p) {
  switch (p) {
    case Packing::nibbles:
      return {4, 64};
    case Packing::bytes:
      return {8, 64};
    case Packing::bytes_min:
    case Packing::bytes_half:
      return {8, 128};
    case Packing::bytes_half_min:
      return {8, 256};
    default:
      return {0, 0};
  }
}

int64_t plain_bytes(Packing p) { return p == Packing::f32 ? 4 : 2; }

// 32 weights of one row: code * scale[half] + minimum[half], codes as the byte packings store them.
struct Block {
  std::array<uint8_t, 32> codes{};
  std::array<float, 2> scale{}, minimum{};
};

template <class T>
T read(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
float read_half(const std::byte* at) { return half_to_float(read<uint16_t>(at)); }
uint8_t byte_at(const std::byte* at, int64_t i) { return static_cast<uint8_t>(at[i]); }

constexpr std::array<int8_t, 16> kIq4Values = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};

// Scale and minimum of 32-column part `j` of a q4_k or q5_k super-block: 6 bits each in 12 bytes.
void k_scale(const std::byte* packed, int64_t j, int& scale, int& minimum) {
  if (j < 4) {
    scale = byte_at(packed, j) & 63;
    minimum = byte_at(packed, j + 4) & 63;
  } else {
    scale = (byte_at(packed, j + 4) & 15) | ((byte_at(packed, j - 4) >> 6) << 4);
    minimum = (byte_at(packed, j + 4) >> 4) | ((byte_at(packed, j) >> 6) << 4);
  }
}

void set_scale(Block& b, float scale, float minimum) {
  b.scale = {scale, scale};
  b.minimum = {minimum, minimum};
}

// The part `j` of 32 columns within a stored block that begins at `at`.
void read_block(DType type, const std::byte* at, int64_t j, Block& b) {
  switch (type) {
    case DType::q4_0:
    case DType::q4_1: {
      bool one = type == DType::q4_1;
      float d = read_half(at);
      set_scale(b, d, one ? read_half(at + 2) : -8 * d);
      const std::byte* q = at + (one ? 4 : 2);
      for (int64_t i = 0; i < 16; ++i) {
        b.codes[i] = byte_at(q, i) & 15;
        b.codes[i + 16] = byte_at(q, i) >> 4;
      }
      return;
    }
    case DType::q5_0:
    case DType::q5_1: {
      bool one = type == DType::q5_1;
      float d = read_half(at);
      // The codes are stored with 128 added, which the minimum need not know: kernels take it off.
      set_scale(b, d, one ? read_half(at + 2) : -16 * d);
      auto high = read<uint32_t>(at + (one ? 4 : 2));
      const std::byte* q = at + (one ? 8 : 6);
      for (int64_t i = 0; i < 16; ++i) {
        b.codes[i] = static_cast<uint8_t>(128 + ((byte_at(q, i) & 15) | ((high >> i & 1) << 4)));
        b.codes[i + 16] =
            static_cast<uint8_t>(128 + ((byte_at(q, i) >> 4) | ((high >> (i + 16) & 1) << 4)));
      }
      return;
    }
    case DType::q8_0: {
      set_scale(b, read_half(at), 0);
      for (int64_t i = 0; i < 32; ++i) b.codes[i] = byte_at(at, 2 + i) ^ 0x80;
      return;
    }
    case DType::q4_k: {
      int scale, minimum;
      k_scale(at + 4, j, scale, minimum);
      set_scale(b, read_half(at) * static_cast<float>(scale),
                -read_half(at + 2) * static_cast<float>(minimum));
      const std::byte* q = at + 16 + j / 2 * 32;
      for (int64_t i = 0; i < 32; ++i) b.codes[i] = j % 2 ? byte_at(q, i) >> 4 : byte_at(q, i) & 15;
      return;
    }
    case DType::q5_k: {
      int scale, minimum;
      k_scale(at + 4, j, scale, minimum);
      set_scale(b, read_half(at) * static_cast<float>(scale),
                -read_half(at + 2) * static_cast<float>(minimum));
      const std::byte* q = at + 48 + j / 2 * 32;
      for (int64_t i = 0; i < 32; ++i) {
        int low = j % 2 ? byte_at(q, i) >> 4 : byte_at(q, i) & 15;
        b.codes[i] = static_cast<uint8_t>(128 + (low | (byte_at(at, 16 + i) >> j & 1) << 4));
      }
      return;
    }
    case DType::q6_k: {
      // Halves of 128 columns: 64 bytes of low nibbles, 32 of high pairs, 8 scales of 16 columns.
      int64_t half = j / 4, part = j % 4;
      const std::byte* low = at + half * 64 + (part % 2) * 32;
      const std::byte* high = at + 128 + half * 32;
      float d = read_half(at + 208);
      for (int64_t i = 0; i < 32; ++i) {
        int code = (part < 2 ? byte_at(low, i) & 15 : byte_at(low, i) >> 4) |
                   (byte_at(high, i) >> (2 * part) & 3) << 4;
        b.codes[i] = static_cast<uint8_t>(128 + code - 32);
      }
      for (int64_t h = 0; h < 2; ++h) {
        b.scale[h] = d * static_cast<float>(read<int8_t>(at + 192 + j * 2 + h));
      }
      return;
    }
    case DType::q3_k: {
      int64_t half = j / 4, part = j % 4;
      const std::byte* low = at + 32 + half * 32;
      float d = read_half(at + 108);
      const std::byte* packed = at + 96;
      for (int64_t i = 0; i < 32; ++i) {
        int code = (byte_at(low, i) >> (2 * part) & 3) - (byte_at(at, i) >> j & 1 ? 0 : 4);
        b.codes[i] = static_cast<uint8_t>(128 + code);
      }
      for (int64_t h = 0; h < 2; ++h) {
        int64_t s = 2 * j + h;  // of 16
        int nibble = s < 8 ? byte_at(packed, s) & 15 : byte_at(packed, s - 8) >> 4;
        int scale = (nibble | (byte_at(packed, 8 + s % 4) >> (2 * (s / 4)) & 3) << 4) - 32;
        b.scale[h] = d * static_cast<float>(scale);
      }
      return;
    }
    case DType::q2_k: {
      int64_t half = j / 4, part = j % 4;
      const std::byte* low = at + 16 + half * 32;
      float d = read_half(at + 80), dmin = read_half(at + 82);
      for (int64_t i = 0; i < 32; ++i) {
        b.codes[i] = static_cast<uint8_t>(128 + (byte_at(low, i) >> (2 * part) & 3));
      }
      for (int64_t h = 0; h < 2; ++h) {
        int packed = byte_at(at, 2 * j + h);
        b.scale[h] = d * static_cast<float>(packed & 15);
        b.minimum[h] = -dmin * static_cast<float>(packed >> 4);
      }
      return;
    }
    case DType::iq4_nl:
    case DType::iq4_xs: {
      float d = read_half(at);
      const std::byte* q = at + 2;
      if (type == DType::iq4_xs) {
        auto high = read<uint16_t>(at + 2);
        int scale = (byte_at(at + 4, j / 2) >> (4 * (j % 2)) & 15) | (high >> (2 * j) & 3) << 4;
        d *= static_cast<float>(scale - 32);
        q = at + 8 + j * 16;
      }
      set_scale(b, d, 0);
      for (int64_t i = 0; i < 16; ++i) {
        b.codes[i] = static_cast<uint8_t>(128 + kIq4Values[byte_at(q, i) & 15]);
        b.codes[i + 16] = static_cast<uint8_t>(128 + kIq4Values[byte_at(q, i) >> 4]);
      }
      return;
    }
    default:
      return;
  }
}

// Writes row `r` of a block of 16 rows.
void write_block(Packing packing, const Block& b, int64_t r, std::byte* out) {
  if (packing == Packing::nibbles) {
    for (int64_t i = 0; i < 16; ++i) {
      out[i / 4 * 64 + 4 * r + i % 4] = static_cast<std::byte>(b.codes[i] | b.codes[i + 16] << 4);
    }
    uint16_t scale = float_to_half(b.scale[0]), minimum = float_to_half(b.minimum[0]);
    std::memcpy(out + 256 + 2 * r, &scale, 2);
    std::memcpy(out + 288 + 2 * r, &minimum, 2);
    return;
  }
  for (int64_t j = 0; j < 8; ++j) std::memcpy(out + j * 64 + 4 * r, &b.codes[4 * j], 4);
  std::byte* scales = out + 512;
  bool half = packing == Packing::bytes_half || packing == Packing::bytes_half_min;
  bool minimum = packing == Packing::bytes_min || packing == Packing::bytes_half_min;
  for (int64_t h = 0; h < (half ? 2 : 1); ++h, scales += 64)
    std::memcpy(scales + 4 * r, &b.scale[h], 4);
  for (int64_t h = 0; minimum && h < (half ? 2 : 1); ++h, scales += 64) {
    std::memcpy(scales + 4 * r, &b.minimum[h], 4);
  }
}

// q4_1 is stored as the kernels want its codes: only the dwords of 16 rows are interleaved.
void pack_q4_1(std::span<const std::byte* const> rows, int64_t blocks, std::byte* out) {
  for (int64_t b = 0; b < blocks; ++b, out += 320) {
    for (size_t r = 0; r < rows.size(); ++r) {
      const std::byte* at = rows[r] + b * 20;
      std::memcpy(out + 256 + 2 * r, at, 2);
      std::memcpy(out + 288 + 2 * r, at + 2, 2);
      for (int64_t j = 0; j < 4; ++j) std::memcpy(out + j * 64 + 4 * r, at + 4 + 4 * j, 4);
    }
  }
}

void pack_q8_0(std::span<const std::byte* const> rows, int64_t blocks, std::byte* out) {
  for (int64_t b = 0; b < blocks; ++b, out += 576) {
    for (size_t r = 0; r < rows.size(); ++r) {
      const std::byte* at = rows[r] + b * 34;
      float scale = read_half(at);
      std::memcpy(out + 512 + 4 * r, &scale, 4);
      for (int64_t j = 0; j < 8; ++j) {
        uint32_t codes = read<uint32_t>(at + 2 + 4 * j) ^ 0x80808080u;
        std::memcpy(out + j * 64 + 4 * r, &codes, 4);
      }
    }
  }
}

}  // namespace

Packing packing_of(DType type) {
  switch (type) {
    case DType::f16:
      return Packing::f16;
    case DType::bf16:
      return Packing::bf16;
    case DType::q4_0:
    case DType::q4_1:
    case DType::q4_k:
      return Packing::nibbles;
    case DType::q8_0:
    case DType::iq4_nl:
    case DType::iq4_xs:
      return Packing::bytes;
    case DType::q5_0:
    case DType::q5_1:
    case DType::q5_k:
      return Packing::bytes_min;
    case DType::q6_k:
    case DType::q3_k:
      return Packing::bytes_half;
    case DType::q2_k:
      return Packing::bytes_half_min;
    default:
      return Packing::f32;
  }
}

int64_t packed_bytes(Packing packing, int64_t rows, int64_t columns) {
  Shape s = shape_of(packing);
  int64_t groups = (rows + kGroupRows - 1) / kGroupRows;
  if (s.code_lines == 0) return groups * columns * kGroupRows * plain_bytes(packing);
  return groups * (columns / kBlockColumns) * (s.code_lines * 64 + s.scale_bytes);
}

int64_t PackedMatrix::group_bytes() const { return packed_bytes(packing, kGroupRows, columns); }

void pack_group(DType type, Packing packing, std::span<const std::byte* const> rows,
                int64_t columns, std::byte* out) {
  auto bytes = static_cast<size_t>(packed_bytes(packing, kGroupRows, columns));
  if (rows.size() < kGroupRows) std::memset(out, 0, bytes);
  if (!takes_quantised(packing)) {
    const auto size = static_cast<size_t>(layout_of(type).block_bytes);
    for (int64_t k = 0; k < columns; ++k) {
      for (size_t r = 0; r < rows.size(); ++r) {
        std::memcpy(out + (k * kGroupRows + r) * size, rows[r] + k * size, size);
      }
    }
    return;
  }
  if (type == DType::q4_1) return pack_q4_1(rows, columns / 32, out);
  if (type == DType::q8_0) return pack_q8_0(rows, columns / 32, out);
  TypeLayout layout = layout_of(type);
  const int64_t block_bytes = packed_bytes(packing, kGroupRows, kBlockColumns);
  const int64_t parts = layout.block_elements / kBlockColumns;
  Block block;
  for (int64_t b = 0; b < columns / kBlockColumns; ++b, out += block_bytes) {
    for (size_t r = 0; r < rows.size(); ++r) {
      read_block(type, rows[r] + b / parts * layout.block_bytes, b % parts, block);
      write_block(packing, block, static_cast<int64_t>(r), out);
    }
  }
}

void pack_group_f32(std::span<const float* const> rows, int64_t columns, float* out) {
  if (rows.size() < kGroupRows) {
    std::memset(out, 0, static_cast<size_t>(columns * kGroupRows) * sizeof(float));
  }
  for (int64_t k = 0; k < columns; ++k) {
    for (size_t r = 0; r < rows.size(); ++r) out[k * kGroupRows + r] = rows[r][k];
  }
}

}  // namespace tessera
