// Attention over chosen keys and bare scores. Oracle: the definition in double precision.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/kernels/half.h"
#include "tessera/kernels/kernels.h"

namespace tessera {
namespace {

struct Cached {
  std::vector<std::byte> keys, values;  // four blocks
  std::vector<double> key, value;       // as rounded, [kChunkKeys, width]
};

Cached cached(std::mt19937_64& random, CacheType type, int64_t width) {
  std::normal_distribution<float> normal(0, 1);
  const auto bytes = static_cast<size_t>(cache_bytes(type));
  const auto all = static_cast<size_t>(kChunkKeys * width);
  Cached c{std::vector<std::byte>(all * bytes), std::vector<std::byte>(all * bytes), {}, {}};
  auto put = [&](std::vector<std::byte>& to, size_t at, float x) {
    if (type == CacheType::f32) {
      std::memcpy(to.data() + at * 4, &x, 4);
      return static_cast<double>(x);
    }
    const uint16_t h = type == CacheType::f16 ? float_to_half(x) : float_to_bfloat(x);
    std::memcpy(to.data() + at * 2, &h, 2);
    return static_cast<double>(type == CacheType::f16 ? half_to_float(h) : bfloat_to_float(h));
  };
  for (size_t i = 0; i < static_cast<size_t>(kChunkKeys); ++i) {
    for (size_t d = 0; d < static_cast<size_t>(width); ++d) {
      const size_t block = i / kBlockKeys * static_cast<size_t>(width) * kBlockKeys;
      c.key.push_back(put(c.keys, block + d * kBlockKeys + i % kBlockKeys, normal(random)));
      c.value.push_back(
          put(c.values, block + i % kBlockKeys * static_cast<size_t>(width) + d, normal(random)));
    }
  }
  return c;
}

TEST(Kernels, AttentionOverChosenKeysIsTheSoftmaxOverThem) {
  std::mt19937_64 random(9);
  std::normal_distribution<float> normal(0, 0.3f);
  for (CacheType type : {CacheType::f32, CacheType::f16, CacheType::bf16}) {
    for (int64_t width : {16, 64, 80}) {
      const Cached c = cached(random, type, width);
      const auto block = static_cast<size_t>(width * kBlockKeys * cache_bytes(type));
      for (int64_t rows : {1, 3, 12}) {
        std::vector<float> q(static_cast<size_t>(rows * width));
        for (float& x : q) x = normal(random);
        for (const char* what : {"one", "few", "most", "all"}) {
          uint64_t chosen[kChunkBlocks] = {};
          for (int64_t i = 0; i < kChunkKeys; ++i) {
            const bool take = *what == 'a' || (*what == 'm' && random() % 8 != 0) ||
                              (*what == 'f' && random() % 30 == 0) || i == 130;
            if (take && (*what != 'o' || i == 130)) chosen[i / 64] |= uint64_t{1} << i % 64;
          }
          for (float cap : {0.f, 2.f}) {
            for (const Kernels* k : available_kernels()) {
              SCOPED_TRACE(testing::Message() << k->name << " " << width << " " << what);
              std::vector<float> top(static_cast<size_t>(rows)), total(top.size()), out(q.size()),
                  scores(static_cast<size_t>(rows * kChunkKeys), NAN);
              std::vector<AttendRow> specs(static_cast<size_t>(rows));
              for (size_t r = 0; r < specs.size(); ++r) {
                specs[r].query = q.data() + r * static_cast<size_t>(width);
                specs[r].maximum = &top[r];
                specs[r].total = &total[r];
                specs[r].weighted = out.data() + r * static_cast<size_t>(width);
              }
              ChosenChunk call;
              call.rows = specs;
              call.type = type;
              call.width = width;
              call.softcap = cap;
              call.scores = scores.data();
              for (size_t b = 0; b < static_cast<size_t>(kChunkBlocks); ++b) {
                call.chosen[b] = chosen[b];
                if (chosen[b] == 0) continue;
                call.keys[b] = c.keys.data() + b * block;
                call.values[b] = c.values.data() + b * block;
              }
              k->attend_chosen(call);
              for (size_t r = 0; r < specs.size(); ++r) {
                double sum = 0;
                std::vector<double> want(static_cast<size_t>(width), 0);
                for (size_t i = 0; i < static_cast<size_t>(kChunkKeys); ++i) {
                  if ((chosen[i / 64] >> i % 64 & 1) == 0) continue;
                  double s = 0;
                  for (size_t d = 0; d < want.size(); ++d) {
                    s += static_cast<double>(specs[r].query[d]) * c.key[i * want.size() + d];
                  }
                  if (cap != 0) s = cap * std::tanh(s / cap);
                  const double p = std::exp(s - top[r]);
                  sum += p;
                  for (size_t d = 0; d < want.size(); ++d)
                    want[d] += p * c.value[i * want.size() + d];
                }
                EXPECT_NEAR(total[r], sum, 2e-5 * sum);
                for (size_t d = 0; d < want.size(); ++d) {
                  ASSERT_NEAR(specs[r].weighted[d] / total[r], want[d] / sum, 3e-5)
                      << r << " " << d;
                }
              }
            }
          }
        }
      }
    }
  }
}

TEST(Kernels, ScoresAreInnerProducts) {
  std::mt19937_64 random(10);
  std::normal_distribution<float> normal(0, 1);
  for (CacheType type : {CacheType::f32, CacheType::f16, CacheType::bf16}) {
    const int64_t width = 48;
    const Cached c = cached(random, type, width);
    std::vector<float> q(7 * 48), out(7 * kChunkKeys);
    for (float& x : q) x = normal(random);
    std::vector<AttendRow> rows(7);
    for (size_t r = 0; r < 7; ++r) rows[r].query = q.data() + r * 48;
    for (const Kernels* k : available_kernels()) {
      k->score(rows.data(), 7, c.keys.data(), type, width, out.data());
      for (size_t r = 0; r < 7; ++r) {
        for (size_t i = 0; i < static_cast<size_t>(kBlockKeys); ++i) {
          double want = 0;
          for (size_t d = 0; d < 48; ++d) {
            want += static_cast<double>(rows[r].query[d]) * c.key[i * 48 + d];
          }
          ASSERT_NEAR(out[r * kChunkKeys + i], want, 1e-4);
        }
      }
    }
  }
}

TEST(Kernels, ChosenKeysServeEachRowWhatItSees) {
  std::mt19937_64 random(11);
  std::normal_distribution<float> normal(0, 0.3f);
  const int64_t width = 48;
  constexpr size_t kRows = 7;
  for (CacheType type : {CacheType::f32, CacheType::f16, CacheType::bf16}) {
    const Cached c = cached(random, type, width);
    const auto block = static_cast<size_t>(width * kBlockKeys * cache_bytes(type));
    std::vector<float> q(kRows * 48);
    for (float& x : q) x = normal(random);
    uint64_t seen[kRows * kChunkBlocks];
    for (uint64_t& bits : seen) {
      const uint64_t some = random();
      bits = random() % 3 == 0 ? 0 : some & random();
    }
    for (size_t b = 0; b < kChunkBlocks; ++b) seen[2 * kChunkBlocks + b] = 0;  // sees nothing
    for (const Kernels* k : available_kernels()) {
      SCOPED_TRACE(k->name);
      std::vector<float> top(kRows), total(kRows), out(q.size()), scores(kRows * kChunkKeys, NAN);
      // Rows first .. first + n - 1 together, or each alone over what it sees.
      const auto attend = [&](size_t first, size_t n) {
        std::vector<AttendRow> specs(n);
        for (size_t r = 0; r < n; ++r) {
          specs[r].query = q.data() + (first + r) * 48;
          specs[r].maximum = &top[first + r];
          specs[r].total = &total[first + r];
          specs[r].weighted = out.data() + (first + r) * 48;
        }
        ChosenChunk call;
        call.rows = specs;
        call.type = type;
        call.width = width;
        call.scores = scores.data();
        if (n > 1) call.seen = seen + first * kChunkBlocks;
        for (size_t r = 0; r < n; ++r) {
          for (size_t b = 0; b < kChunkBlocks; ++b) {
            call.chosen[b] |= seen[(first + r) * kChunkBlocks + b];
          }
        }
        for (size_t b = 0; b < kChunkBlocks; ++b) {
          if (call.chosen[b] == 0) continue;
          call.keys[b] = c.keys.data() + b * block;
          call.values[b] = c.values.data() + b * block;
        }
        k->attend_chosen(call);
      };
      attend(0, kRows);
      EXPECT_EQ(total[2], 0);
      for (size_t d = 0; d < 48; ++d) EXPECT_EQ(out[2 * 48 + d], 0);
      const std::vector<float> together = out;
      for (size_t r = 0; r < kRows; ++r) {
        if (r != 2) attend(r, 1);
      }
      EXPECT_EQ(out, together);
    }
  }
}

TEST(Kernels, CodesAreScoredExactly) {
  std::mt19937 random(12);
  const auto code = [&] { return static_cast<int8_t>(static_cast<int>(random() % 256) - 128); };
  for (const int64_t width : {32, 64, 96, 256}) {
    // The largest sums that 31 bits hold, and queries of one sign among them.
    const auto most = static_cast<int>(std::min<int64_t>(32767, (int64_t{1} << 31) / 129 / width));
    std::vector<int8_t> high(static_cast<size_t>(kBlockKeys * width)), low(high.size());
    std::ranges::generate(high, code);
    std::ranges::generate(low, code);
    std::fill_n(high.begin(), width, int8_t{-128});
    std::vector<float> scales(kBlockKeys);
    for (float& x : scales) x = static_cast<float>(random() % 1000) / 999;
    for (const int64_t n : {1, 3, 5, 8}) {
      std::vector<int16_t> q(static_cast<size_t>(n * width));
      for (int16_t& x : q) {
        x = static_cast<int16_t>(static_cast<int>(random() % (2 * static_cast<unsigned>(most))) -
                                 most);
      }
      std::fill_n(q.begin(), width, static_cast<int16_t>(most));
      std::vector<float> units(static_cast<size_t>(n)), out(static_cast<size_t>(n * kBlockKeys));
      for (float& x : units) x = static_cast<float>(random() % 1000) / 999;
      for (const Kernels* k : available_kernels()) {
        for (const bool exact : {false, true}) {
          CodeScores call;
          call.queries = q.data();
          call.units = units.data();
          call.n = n;
          call.width = width;
          call.high = call.then = high.data();
          if (exact) call.low = low.data();
          call.scales = scales.data();
          call.out = out.data();
          k->score_codes(call);
          for (int64_t r = 0; r < n; ++r) {
            for (int64_t i = 0; i < kBlockKeys; ++i) {
              int64_t upper = 0, lower = 0;
              for (int64_t d = 0; d < width; ++d) {
                const auto at = static_cast<size_t>(i * width + d);
                upper += q[static_cast<size_t>(r * width + d)] * high[at];
                if (exact) lower += q[static_cast<size_t>(r * width + d)] * low[at];
              }
              const float sum = 256 * static_cast<float>(upper) + static_cast<float>(lower);
              ASSERT_EQ(out[static_cast<size_t>(r * kBlockKeys + i)],
                        sum * scales[static_cast<size_t>(i)] * units[static_cast<size_t>(r)])
                  << k->name;
            }
          }
        }
      }
    }
  }
}

TEST(Kernels, CodesAreWidenedExactly) {
  std::mt19937_64 random(13);
  std::vector<int8_t> high(96), low(96);
  for (size_t i = 0; i < high.size(); ++i) {
    high[i] = static_cast<int8_t>(random());
    low[i] = static_cast<int8_t>(random());
  }
  for (const Kernels* k : available_kernels()) {
    std::vector<float> out(96);
    k->widen_codes(high.data(), low.data(), 0.25f, 96, out.data());
    for (size_t i = 0; i < out.size(); ++i) {
      EXPECT_EQ(out[i], 0.25f * static_cast<float>(256 * high[i] + low[i])) << k->name;
    }
  }
}

// Oracle: half.h, number by number.
TEST(Kernels, RowsBecomeColumnsOfKeys) {
  std::mt19937 random(14);
  constexpr int64_t kWidth = 48, kStride = 50, kFirst = 32;
  const float odd[] = {0.f,      -0.f,        65504.f,     65519.f, 65520.f,  -1e30f,
                       INFINITY, -INFINITY,   6e-8f,       2.9e-8f, -6.1e-5f, 1e-40f,
                       3e38f,    1.00390625f, 1.01171875f, 2049.f,  NAN};
  std::vector<float> rows(16 * kStride);
  for (float& x : rows) {
    // Any bits, numbers of a usual size, and odd ones.
    const uint32_t kind = random() % 3;
    x = kind == 0   ? std::bit_cast<float>(static_cast<uint32_t>(random()))
        : kind == 1 ? static_cast<float>(random() % 20001) / 1000 - 10
                    : odd[random() % std::size(odd)];
  }
  const auto bits = [](const void* p, size_t at, size_t size) {
    uint32_t x = 0;
    std::memcpy(&x, static_cast<const char*>(p) + at * size, size);
    return x;
  };
  for (const Kernels* k : available_kernels()) {
    SCOPED_TRACE(k->name);
    for (const CacheType type : {CacheType::f32, CacheType::f16, CacheType::bf16}) {
      const auto size = static_cast<size_t>(cache_bytes(type));
      std::vector<char> keys(kWidth * kBlockKeys * size, 7);
      k->place_keys(type, rows.data(), kStride, kWidth, keys.data(), kFirst);
      for (size_t d = 0; d < kWidth; ++d) {
        for (size_t c = 0; c < kBlockKeys; ++c) {
          const uint32_t got = bits(keys.data(), d * kBlockKeys + c, size);
          if (c < kFirst || c >= kFirst + 16) {
            ASSERT_EQ(got, size == 2 ? 0x0707u : 0x07070707u);
            continue;
          }
          const float x = rows[(c - kFirst) * kStride + d];
          if (std::isnan(x)) {
            const float back = type == CacheType::f32 ? std::bit_cast<float>(got)
                               : type == CacheType::f16
                                   ? half_to_float(static_cast<uint16_t>(got))
                                   : bfloat_to_float(static_cast<uint16_t>(got));
            ASSERT_TRUE(std::isnan(back)) << got;
            continue;
          }
          ASSERT_EQ(got, type == CacheType::f32   ? std::bit_cast<uint32_t>(x)
                         : type == CacheType::f16 ? float_to_half(std::clamp(x, -65504.f, 65504.f))
                                                  : float_to_bfloat(x))
              << x;
        }
      }
    }
  }
}

}  // namespace
}  // namespace tessera
