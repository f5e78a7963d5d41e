#include "tessera/kernels/kernels.h"

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/kernels/half.h"
#include "tests/base/same_bits.h"

namespace tessera {
namespace {

using Random = std::mt19937;
using test::same_bits;

std::vector<float> normal(Random& random, int64_t n, float scale = 1) {
  std::normal_distribution<float> draw(0, scale);
  std::vector<float> out(static_cast<size_t>(n));
  for (float& x : out) x = draw(random);
  return out;
}

TEST(Half, EveryFiniteValueSurvivesTheRoundTrip) {
  for (uint32_t h = 0; h < 65536; ++h) {
    auto half = static_cast<uint16_t>(h);
    if ((half & 0x7c00) == 0x7c00 && (half & 0x3ff)) {
      EXPECT_TRUE(std::isnan(half_to_float(half)));
      continue;
    }
    EXPECT_EQ(float_to_half(half_to_float(half)), half) << h;
    EXPECT_EQ(float_to_bfloat(bfloat_to_float(half)), half);
  }
  EXPECT_EQ(half_to_float(float_to_half(65519.f)), 65504.f);
  EXPECT_TRUE(std::isinf(half_to_float(float_to_half(65520.f))));
  EXPECT_EQ(half_to_float(float_to_half(1 + 0x1p-11f)), 1.f);
  EXPECT_EQ(half_to_float(float_to_half(1 + 0x1.8p-10f)), 1 + 0x1p-9f);
}

// A packed matrix with its values in double, read back from the packed form itself: what the
// kernels must compute. That packing keeps the stored values is tests/files' concern.
struct Case {
  PackedMatrix matrix;
  std::vector<std::byte> bytes;
  std::vector<double> values;  // [rows rounded up, columns]
};

Case random_case(Random& random, Packing packing, int64_t rows, int64_t columns) {
  Case c;
  c.matrix = {packing, rows, columns, nullptr};
  c.bytes.resize(static_cast<size_t>(packed_bytes(packing, rows, columns)) + 64);
  int64_t groups = c.matrix.groups();
  c.values.resize(static_cast<size_t>(groups * 16 * columns));
  std::uniform_int_distribution<int> byte(0, 255);
  std::normal_distribution<float> scale(0, 0.02f);
  std::byte* at = c.bytes.data();
  auto put = [&](int64_t g, int64_t r, int64_t k, double v) {
    c.values[static_cast<size_t>((g * 16 + r) * columns + k)] = v;
  };
  for (int64_t g = 0; g < groups; ++g) {
    if (!takes_quantised(packing)) {
      for (int64_t k = 0; k < columns; ++k) {
        for (int64_t r = 0; r < 16; ++r) {
          float v = scale(random);
          if (packing == Packing::f32) {
            std::memcpy(at, &v, 4);
            at += 4;
          } else {
            bool f16 = packing == Packing::f16;
            uint16_t h = f16 ? float_to_half(v) : float_to_bfloat(v);
            v = f16 ? half_to_float(h) : bfloat_to_float(h);
            std::memcpy(at, &h, 2);
            at += 2;
          }
          put(g, r, k, v);
        }
      }
      continue;
    }
    const bool nibbles = packing == Packing::nibbles;
    const bool half = packing == Packing::bytes_half || packing == Packing::bytes_half_min;
    const bool minimum =
        nibbles || packing == Packing::bytes_min || packing == Packing::bytes_half_min;
    for (int64_t b = 0; b < columns / 32; ++b) {
      std::byte* codes = at;
      for (int i = 0; i < (nibbles ? 256 : 512); ++i) at[i] = static_cast<std::byte>(byte(random));
      at += nibbles ? 256 : 512;
      float d[2][16], m[2][16] = {};
      auto scales = [&](float* out) {
        for (int r = 0; r < 16; ++r) {
          out[r] = scale(random);
          if (nibbles) {
            uint16_t h = float_to_half(out[r]);
            out[r] = half_to_float(h);
            std::memcpy(at + 2 * r, &h, 2);
          } else {
            std::memcpy(at + 4 * r, &out[r], 4);
          }
        }
        at += nibbles ? 32 : 64;
      };
      for (int h = 0; h < (half ? 2 : 1); ++h) scales(d[h]);
      for (int h = 0; minimum && h < (half ? 2 : 1); ++h) scales(m[h]);
      for (int r = 0; r < 16; ++r) {
        for (int k = 0; k < 32; ++k) {
          int h = half && k >= 16 ? 1 : 0;
          int code = nibbles ? static_cast<int>(codes[k % 16 / 4 * 64 + 4 * r + k % 4]) >>
                                       (k < 16 ? 0 : 4) &
                                   15
                             : static_cast<int>(codes[k / 4 * 64 + 4 * r + k % 4]) - 128;
          put(g, r, b * 32 + k, static_cast<double>(code) * d[h][r] + m[h][r]);
        }
      }
    }
  }
  c.matrix.data = c.bytes.data();
  return c;
}

struct Tile {
  Activations kind;
  int64_t tokens;
  std::vector<std::byte> bytes;

  Tile(Activations k, int64_t n, int64_t columns)
      : kind(k), tokens(n), bytes(static_cast<size_t>(tile_bytes(k, n, columns))) {}

  // The value of one quantised activation, and the unit it was rounded to.
  std::pair<double, double> at(const Kernels& k, int64_t t, int64_t i) const {
    const std::byte* block = bytes.data() + i / 32 * tile_block_words(kind, tokens) * 4;
    const int64_t dword = (i % 32 / 4 * tokens + t) * 4, place = dword + i % 4;
    float scale;
    std::memcpy(&scale, block + (8 * tokens + t) * 4, 4);
    if (k.wide_tiles && kind == Activations::fifteen_bits) {
      int16_t whole;
      std::memcpy(&whole, block + dword + (i % 2 ? 12 * tokens * 4 : 0) + i % 4 / 2 * 2, 2);
      return {static_cast<double>(scale) * whole, scale};
    }
    double code = static_cast<int8_t>(block[place]);
    if (kind == Activations::fifteen_bits) {
      code = 128 * code + static_cast<int8_t>(block[12 * tokens * 4 + place]);
    }
    return {scale * code, scale};
  }
};

constexpr Activations kKinds[] = {Activations::eight_bits, Activations::fifteen_bits};

// Oracle: the product in double of the matrix with the activations as the kernel was given them
// (quantised for quantised packings).
TEST(Linear, IsTheProductForEveryPackingLevelAndTileSize) {
  Random random(5);
  for (Packing packing :
       {Packing::f32, Packing::f16, Packing::bf16, Packing::nibbles, Packing::bytes,
        Packing::bytes_min, Packing::bytes_half, Packing::bytes_half_min}) {
    for (int64_t rows : {16, 40, 80}) {
      int64_t columns = takes_quantised(packing) ? 32 * (1 + rows % 7) : rows + 3;
      Case c = random_case(random, packing, rows, columns);
      for (int64_t tokens = 1; tokens <= kTileTokens; ++tokens) {
        auto x = normal(random, tokens * columns);
        Tile quantised(kKinds[tokens % 2 ^ rows % 3 / 2], tokens, columns);
        const int64_t stride = c.matrix.groups() * 16;
        for (const Kernels* k : available_kernels()) {
          SCOPED_TRACE(testing::Message() << k->name << " packing " << static_cast<int>(packing)
                                          << " rows " << rows << " tokens " << tokens);
          ActivationTile tile{tokens, quantised.bytes.data(), quantised.kind, x.data(), columns};
          std::vector<double> seen(x.begin(), x.end());
          if (takes_quantised(packing)) {
            k->quantise(quantised.kind, x.data(), columns, tokens, columns, quantised.bytes.data());
            for (int64_t t = 0; t < tokens; ++t) {
              for (int64_t i = 0; i < columns; ++i) {
                const auto [value, unit] = quantised.at(*k, t, i);
                seen[static_cast<size_t>(t * columns + i)] = value;
                EXPECT_NEAR(value, x[static_cast<size_t>(t * columns + i)], unit * 0.51);
              }
            }
          }
          std::vector<float> out(static_cast<size_t>(tokens * stride), -1);
          k->linear(c.matrix, 0, c.matrix.groups(), tile, out.data(), stride);
          for (int64_t t = 0; t < tokens; ++t) {
            for (int64_t r = 0; r < rows; ++r) {
              double sum = 0, size = 0;
              for (int64_t i = 0; i < columns; ++i) {
                double p = c.values[static_cast<size_t>(r * columns + i)] *
                           seen[static_cast<size_t>(t * columns + i)];
                sum += p;
                size += std::fabs(p);
              }
              ASSERT_NEAR(out[static_cast<size_t>(t * stride + r)], sum, size * 2e-5 + 1e-6)
                  << t << " " << r;
            }
          }
        }
      }
    }
  }
}

// The promise behind "the same bits for any batch": a token's result does not depend on its tile.
TEST(Linear, ATokenAloneGivesTheSameBitsAsInATile) {
  Random random(6);
  for (Packing packing :
       {Packing::f32, Packing::bf16, Packing::nibbles, Packing::bytes, Packing::bytes_half_min}) {
    Case c = random_case(random, packing, 96, 96);
    for (const Kernels* k : available_kernels()) {
      for (Activations kind : kKinds) {
        auto x = normal(random, 12 * 96);
        Tile all(kind, 12, 96), one(kind, 1, 96);
        std::vector<float> together(12 * 96), alone(96);
        k->quantise(kind, x.data(), 96, 12, 96, all.bytes.data());
        k->linear(c.matrix, 0, 6, {12, all.bytes.data(), kind, x.data(), 96}, together.data(), 96);
        for (int64_t t = 0; t < 12; ++t) {
          k->quantise(kind, x.data() + t * 96, 96, 1, 96, one.bytes.data());
          k->linear(c.matrix, 0, 6, {1, one.bytes.data(), kind, x.data() + t * 96, 96},
                    alone.data(), 96);
          EXPECT_TRUE(
              same_bits(alone, std::span(together).subspan(static_cast<size_t>(t * 96), 96)))
              << k->name << t;
        }
      }
    }
  }
}

TEST(Rows, ActivationsAreWhatTheirFormulasSay) {
  std::vector<float> x;
  for (int i = -600; i <= 600; ++i) x.push_back(static_cast<float>(i) / 50);
  std::vector<float> y(x.size());
  for (const Kernels* k : available_kernels()) {
    auto check = [&](Activation kind, auto formula) {
      k->activate(kind, x.data(), static_cast<int64_t>(x.size()), y.data());
      for (size_t i = 0; i < x.size(); ++i) {
        double v = x[i];
        EXPECT_NEAR(y[i], formula(v), 1e-6 * std::max(1.0, std::fabs(v)))
            << k->name << static_cast<int>(kind) << " " << v;
      }
    };
    check(Activation::gelu, [](double v) { return 0.5 * v * (1 + std::erf(v / std::sqrt(2.0))); });
    check(Activation::gelu_tanh, [](double v) {
      return 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
    });
    check(Activation::silu, [](double v) { return v / (1 + std::exp(-v)); });
    check(Activation::relu, [](double v) { return v > 0 ? v : 0; });
    check(Activation::relu_squared, [](double v) { return v > 0 ? v * v : 0; });
    check(Activation::quick_gelu, [](double v) { return v / (1 + std::exp(-1.702 * v)); });
  }
}

TEST(Rows, NormsAndSoftmaxOfAnyLength) {
  Random random(7);
  for (const Kernels* k : available_kernels()) {
    for (int64_t n : {1, 5, 16, 17, 40, 576}) {
      auto x = normal(random, n, 3), w = normal(random, n), b = normal(random, n);
      std::vector<float> y(static_cast<size_t>(n));
      double mean = 0, square = 0, variance = 0;
      for (float v : x)
        mean += v / static_cast<double>(n),
            square += static_cast<double>(v) * v / static_cast<double>(n);
      for (float v : x) variance += (v - mean) * (v - mean) / static_cast<double>(n);
      k->rms_norm(x.data(), w.data(), 1e-5f, 1, n, y.data());
      for (int64_t i = 0; i < n; ++i)
        EXPECT_NEAR(y[i], x[i] / std::sqrt(square + 1e-5) * (w[i] + 1), 2e-5) << k->name;
      k->layer_norm(x.data(), w.data(), b.data(), 1e-5f, 0, n, y.data());
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_NEAR(y[i], (x[i] - mean) / std::sqrt(variance + 1e-5) * w[i] + b[i], 3e-5)
            << k->name << n;
      }
      y = x;
      double sum = 0;
      for (float v : x) sum += std::exp(static_cast<double>(v));
      EXPECT_NEAR(k->softmax(y.data(), n), std::log(sum), 1e-5);
      for (int64_t i = 0; i < n; ++i)
        EXPECT_NEAR(y[i], std::exp(static_cast<double>(x[i])) / sum, 1e-6);
    }
    std::vector<float> huge = {1e30f, -1e30f, 1e30f};
    k->softmax(huge.data(), 3);
    EXPECT_NEAR(huge[0], 0.5, 1e-6);
    EXPECT_EQ(huge[1], 0);
  }
}

// Oracle: attention over all keys in double; the kernel works chunk by chunk and merges.
TEST(Attend, IsAttentionForAnyRangeWidthAndCache) {
  Random random(8);
  for (int64_t width : {16, 48, 64, 96}) {
    for (CacheType type : {CacheType::f32, CacheType::f16, CacheType::bf16, CacheType::q8}) {
      const int64_t keys = 700, chunks = (keys + kChunkKeys - 1) / kChunkKeys;
      auto k = normal(random, keys * width), v = normal(random, keys * width);
      auto rounded = [&](float x) {
        return type == CacheType::f32 || type == CacheType::q8 ? x
               : type == CacheType::f16                        ? half_to_float(float_to_half(x))
                                        : bfloat_to_float(float_to_bfloat(x));
      };
      const int64_t block_values = width * kBlockKeys, half = half_block_bytes(type, width);
      std::vector<std::byte> kb(static_cast<size_t>(chunks * 4 * half)), vb(kb.size());
      if (type == CacheType::q8) {
        // Numbers that are codes times the key's scale already.
        for (auto* all : {&k, &v}) {
          for (int64_t i = 0; i < keys; ++i) {
            const float scale = 0.005f * static_cast<float>(1 + i % 7);
            std::byte* block = (all == &k ? kb : vb).data() + i / 64 * half;
            std::memcpy(block + block_values + i % 64 * 4, &scale, 4);
            for (int64_t d = 0; d < width; ++d) {
              float& x = (*all)[i * width + d];
              const auto code =
                  static_cast<int8_t>(std::clamp(std::round(x / scale), -127.f, 127.f));
              x = static_cast<float>(code) * scale;
              std::memcpy(block + (all == &k ? d * 64 + i % 64 : i % 64 * width + d), &code, 1);
            }
          }
        }
      }
      auto put = [&](std::vector<std::byte>& to, int64_t at, float x) {
        if (type == CacheType::q8) return;
        if (type == CacheType::f32) std::memcpy(to.data() + at * 4, &x, 4);
        uint16_t h = type == CacheType::f16 ? float_to_half(x) : float_to_bfloat(x);
        if (type != CacheType::f32) std::memcpy(to.data() + at * 2, &h, 2);
      };
      for (int64_t i = 0; i < keys; ++i) {
        for (int64_t d = 0; d < width; ++d) {
          put(kb, i / 64 * block_values + d * 64 + i % 64, k[i * width + d]);
          put(vb, i / 64 * block_values + i % 64 * width + d, v[i * width + d]);
        }
      }
      for (const Kernels* kernel : available_kernels()) {
        for (int64_t rows : {1, 3, 7, 12}) {
          for (float softcap : {0.f, 3.f}) {
            SCOPED_TRACE(testing::Message()
                         << kernel->name << " width " << width << " rows " << rows);
            auto q = normal(random, rows * width, 0.3f);
            std::vector<float> m(rows, -INFINITY), l(rows, 0), o(rows * width, 0), cm(rows),
                cl(rows), co(rows * width);
            std::vector<float> scores(rows * kChunkKeys);
            std::vector<int64_t> begin(rows), end(rows);
            for (int64_t r = 0; r < rows; ++r) {
              begin[r] = random() % 400;
              end[r] = begin[r] + 1 + random() % (keys - begin[r]);
            }
            for (int64_t c = 0; c < chunks; ++c) {
              std::vector<AttendRow> specs(rows);
              for (int64_t r = 0; r < rows; ++r) {
                specs[r] = {q.data() + r * width,
                            begin[r] - c * kChunkKeys,
                            end[r] - c * kChunkKeys,
                            r % 2 ? 0.01f : 0.f,
                            end[r] - 1 - c * kChunkKeys,
                            &cm[r],
                            &cl[r],
                            co.data() + r * width};
              }
              AttendChunk chunk{specs, {}, {}, type, width, softcap, scores.data()};
              for (int64_t b = 0; b < kChunkBlocks; ++b) {
                chunk.keys[b] = kb.data() + (c * 4 + b) * half;
                chunk.values[b] = vb.data() + (c * 4 + b) * half;
              }
              kernel->attend(chunk);
              for (int64_t r = 0; r < rows; ++r) {
                kernel->merge(&m[r], &l[r], o.data() + r * width, cm[r], cl[r],
                              co.data() + r * width, width);
              }
            }
            for (int64_t r = 0; r < rows; ++r) {
              std::vector<double> p;
              double top = -1e300, sum = 0;
              for (int64_t i = begin[r]; i < end[r]; ++i) {
                double s = 0;
                for (int64_t d = 0; d < width; ++d)
                  s += static_cast<double>(q[r * width + d]) * rounded(k[i * width + d]);
                if (softcap != 0) s = softcap * std::tanh(s / softcap);
                if (r % 2) s += 0.01 * static_cast<double>(i - (end[r] - 1));
                p.push_back(s);
                top = std::max(top, s);
              }
              for (double& s : p) sum += s = std::exp(s - top);
              for (int64_t d = 0; d < width; ++d) {
                double want = 0;
                for (int64_t i = begin[r]; i < end[r]; ++i)
                  want += p[i - begin[r]] / sum * rounded(v[i * width + d]);
                ASSERT_NEAR(o[r * width + d] / l[r], want, 3e-5) << r << " " << d;
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace tessera
