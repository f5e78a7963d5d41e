// Attention over chosen keys and bare scores. Oracle: the definition in double precision.
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
  for (const int64_t width : {32, 64, 96, 256}) {
    for (const int64_t keys : {4, 28, 64}) {
      // The largest sums that 31 bits hold, and queries of one sign among them.
      const auto most =
          static_cast<int>(std::min<int64_t>(32767, (int64_t{1} << 31) / 129 / width));
      std::vector<int8_t> codes(static_cast<size_t>(keys * width));
      for (int8_t& c : codes) c = static_cast<int8_t>(static_cast<int>(random() % 256) - 128);
      std::fill_n(codes.begin(), width, int8_t{-128});
      for (const int64_t n : {1, 3, 5, 12}) {
        std::vector<int16_t> q(static_cast<size_t>(n * width));
        for (int16_t& x : q) {
          x = static_cast<int16_t>(static_cast<int>(random() % (2 * static_cast<unsigned>(most))) -
                                   most);
        }
        std::fill_n(q.begin(), width, static_cast<int16_t>(most));
        for (const Kernels* k : available_kernels()) {
          std::vector<int32_t> out(static_cast<size_t>(n * kBlockKeys));
          k->score_codes(q.data(), n, codes.data(), keys, width, out.data());
          for (int64_t r = 0; r < n; ++r) {
            for (int64_t i = 0; i < keys; ++i) {
              int64_t want = 0;
              for (int64_t d = 0; d < width; ++d) {
                want += q[static_cast<size_t>(r * width + d)] *
                        codes[static_cast<size_t>(i * width + d)];
              }
              ASSERT_EQ(out[static_cast<size_t>(r * kBlockKeys + i)], want) << k->name;
            }
          }
        }
      }
    }
  }
}

TEST(Kernels, NumbersAreWidenedExactly) {
  std::mt19937_64 random(13);
  const Cached c = cached(random, CacheType::f16, 16), b = cached(random, CacheType::bf16, 16),
               f = cached(random, CacheType::f32, 16);
  std::vector<int8_t> high(96), low(96);
  for (size_t i = 0; i < high.size(); ++i) {
    high[i] = static_cast<int8_t>(random());
    low[i] = static_cast<int8_t>(random());
  }
  for (const Kernels* k : available_kernels()) {
    SCOPED_TRACE(k->name);
    std::vector<float> out(96);
    for (const auto& [type, from] :
         {std::pair{CacheType::f16, &c}, {CacheType::bf16, &b}, {CacheType::f32, &f}}) {
      k->widen(type, from->values.data(), 96, out.data());
      for (size_t i = 0; i < out.size(); ++i)
        EXPECT_EQ(static_cast<double>(out[i]), from->value[i]);
    }
    k->widen_codes(high.data(), low.data(), 0.25f, 96, out.data());
    for (size_t i = 0; i < out.size(); ++i)
      EXPECT_EQ(out[i], 0.25f * static_cast<float>(256 * high[i] + low[i]));
  }
}

}  // namespace
}  // namespace tessera
