// Oracle: each row by itself over its own runs; the cache for copies of it.
#include "tessera/network/gather.h"

#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/network/attend_lines.h"

namespace tessera {
namespace {

constexpr int64_t kWidth = 32, kEntries = 700, kRows = 3;

class Gathering : public ::testing::TestWithParam<CacheType> {
 protected:
  Gathering() : store_(std::make_shared<KvPool>(KvShape{1, 1, kWidth, GetParam()})) {
    shape_.heads = kRows;
    shape_.kv_heads = 1;
    shape_.head_width = kWidth;
    store_.extend(kEntries);
    std::normal_distribution<float> normal(0, 1);
    std::vector<float> key(kWidth), value(kWidth);
    for (int64_t e = 0; e < kEntries; ++e) {
      for (float& x : key) x = normal(random_) / 4;
      for (float& x : value) x = normal(random_);
      store_.write(0, 0, e, key.data(), value.data());
    }
    for (float& x : queries_) x = normal(random_);
    scratch_.prepare(1, kWidth, 1, kRows, kEntries);
  }

  std::vector<Gather> lines() {
    auto& mine = scratch_.thread(0);
    clear_lines(mine, kRows, kWidth);
    std::vector<Gather> out;
    out.reserve(kRows);
    for (int64_t r = 0; r < kRows; ++r) {
      out.push_back({queries_.data() + r * kWidth, 0, kEntries, 0, 0.f,
                     &mine.maximum[static_cast<size_t>(r)], &mine.total[static_cast<size_t>(r)],
                     mine.weighted.data() + r * kWidth});
    }
    return out;
  }
  std::vector<float> gathered(size_t rows = kRows) {
    auto& mine = scratch_.thread(0);
    std::vector<float> out;
    for (size_t r = 0; r < rows; ++r) {
      for (size_t d = 0; d < kWidth; ++d) {
        out.push_back(mine.weighted[r * kWidth + d] / mine.total[r]);
      }
    }
    return out;
  }

  std::mt19937_64 random_{7};
  AttendShape shape_;
  KvStore store_;
  std::vector<float> queries_ = std::vector<float>(kRows * kWidth);
  AttendScratch scratch_;
};

TEST_P(Gathering, RowsWithRunsOfTheirOwnGetWhatTheyGetAlone) {
  std::vector<std::vector<tessera::Run>> runs(kRows);
  for (auto& list : runs) {
    for (int64_t at = 0; at < kEntries; at += 16) {
      if (random_() % 4 == 0) list.push_back({at, std::min(at + 16, kEntries), 0});
    }
  }
  // One row sees nothing of the first chunks, and one run crosses from one to the next.
  runs[1] = {{600, 610, 0}, {615, 690, 0}};
  runs[2].push_back({690, 700, 0});
  runs[0] = {{5, 6, 0}, {250, 300, 0}, {690, 700, 0}};
  std::vector<float> want;
  for (size_t r = 0; r < kRows; ++r) {
    const std::vector<Gather> all = lines();
    gather_chosen(shape_, store_, 0, runs[r], std::span(all).subspan(r, 1), scratch_.thread(0));
    const auto own = gathered();
    want.insert(want.end(), own.begin() + static_cast<ptrdiff_t>(r * kWidth),
                own.begin() + static_cast<ptrdiff_t>((r + 1) * kWidth));
  }
  gather_seen(shape_, store_, 0, runs, lines(), scratch_.thread(0));
  EXPECT_EQ(gathered(), want);
}

TEST_P(Gathering, CopiesServeAsTheCacheDoes) {
  const std::vector<int32_t> position = {static_cast<int32_t>(kEntries)};
  const LayerView view(shape_, store_, queries_.data(), kRows * kWidth, position, kEntries, 0);
  std::vector<int32_t> list;
  std::vector<tessera::Run> runs;
  for (int32_t e = 1; e < 650; e += 2) list.push_back(e);
  CopiedKeys copies;
  for (int round = 0; round < 2; ++round) {
    copies.assign(view, 0, list);
    copies.put(view, 0, 7, 699);  // in the place of 15
    copies.put(view, 0, copies.size(), 698);
    runs.clear();
    for (const int32_t e : list) {
      if (e != 15) runs.push_back({e, e + 1, 0});
    }
    runs.push_back({698, 700, 0});
    gather_chosen(shape_, store_, 0, runs, lines(), scratch_.thread(0));
    const auto want = gathered();
    gather_copied(shape_, copies, kWidth, lines(), scratch_.thread(0));
    const auto got = gathered();
    for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-5) << i;
    list.resize(list.size() / 2);  // fewer, in blocks that held more
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Gathering,
                         ::testing::Values(CacheType::f32, CacheType::f16, CacheType::bf16));

}  // namespace
}  // namespace tessera
