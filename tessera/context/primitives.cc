#include "tessera/context/primitives.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "tessera/base/error.h"
#include "tessera/kernels/half.h"

namespace tessera {

void KeyBlocks::append(std::span<const float> key) {
  const auto bytes = static_cast<size_t>(cache_bytes(type_));
  if (size_ % kBlockKeys == 0) {
    blocks_.emplace_back(static_cast<size_t>(width_ * kBlockKeys) * bytes);
  }
  std::byte* block = blocks_.back().data();
  const auto at = static_cast<size_t>(size_ % kBlockKeys);
  for (size_t d = 0; d < key.size(); ++d) {
    std::byte* to = block + (d * static_cast<size_t>(kBlockKeys) + at) * bytes;
    if (type_ == CacheType::f32) {
      std::memcpy(to, &key[d], sizeof(float));
      continue;
    }
    const uint16_t half = type_ == CacheType::f16
                              ? float_to_half(std::clamp(key[d], -65504.f, 65504.f))
                              : float_to_bfloat(key[d]);
    std::memcpy(to, &half, sizeof half);
  }
  ++size_;
}

void KeyBlocks::score(const float* queries, int64_t n, int64_t begin, int64_t end, float* out,
                      int64_t stride) const {
  float scores[kAttendRows * kChunkKeys];
  AttendRow rows[kAttendRows];
  for (int64_t i = 0; i < n; ++i) rows[i].query = queries + i * width_;
  for (int64_t b = begin / kBlockKeys; b * kBlockKeys < end; ++b) {
    const int64_t from = std::max(begin, b * kBlockKeys), to = std::min(end, (b + 1) * kBlockKeys);
    kernels().score(rows, n, blocks_[static_cast<size_t>(b)].data(), type_, width_, scores);
    for (int64_t i = 0; i < n; ++i) {
      std::copy_n(scores + i * kChunkKeys + (from - b * kBlockKeys), to - from,
                  out + i * stride + (from - begin));
    }
  }
}

int64_t KeyBlocks::bytes_for(int64_t vectors) const {
  return (vectors + kBlockKeys - 1) / kBlockKeys * width_ * kBlockKeys * cache_bytes(type_);
}

void attention_rows(const LayerView& view, int64_t kv_head, int64_t row, int64_t end,
                    std::vector<float>& out) {
  const int64_t group = view.group(), width = view.width();
  out.resize(static_cast<size_t>(group * end));
  thread_local std::vector<float> queries;
  queries.resize(static_cast<size_t>(std::min(group, kAttendRows) * width));
  for (int64_t first = 0; first < group; first += kAttendRows) {
    const int64_t n = std::min(group - first, kAttendRows);
    for (int64_t i = 0; i < n; ++i) {
      view.query(row, kv_head * group + first + i, 0, queries.data() + i * width);
    }
    float* to = out.data() + first * end;
    view.score(kv_head, queries.data(), n, 0, end, to, end);
    for (int64_t i = 0; i < n; ++i) kernels().softmax(to + i * end, end);
  }
}

Join join_of(const std::string& name) {
  if (name == "max") return Join::largest;
  if (name == "mean") return Join::mean;
  return name == "first" ? Join::first : Join::sum;
}

void join_rows(Join how, std::span<const float> rows, int64_t n, std::span<float> out) {
  const size_t columns = out.size();
  std::copy_n(rows.begin(), columns, out.begin());
  if (how == Join::first) return;
  for (size_t r = 1; r < static_cast<size_t>(n); ++r) {
    const float* row = rows.data() + r * columns;
    if (how == Join::largest) {
      for (size_t i = 0; i < columns; ++i) out[i] = std::max(out[i], row[i]);
    } else {
      for (size_t i = 0; i < columns; ++i) out[i] += row[i];
    }
  }
  if (how == Join::mean) {
    for (float& x : out) x /= static_cast<float>(n);
  }
}

void pool_largest(std::span<const float> in, int64_t kernel, std::span<float> out) {
  const auto n = static_cast<int64_t>(in.size());
  const int64_t reach = kernel / 2;
  if (reach == 0) {
    std::copy(in.begin(), in.end(), out.begin());
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    const int64_t begin = std::max<int64_t>(0, i - reach), end = std::min(n, i + reach + 1);
    float best = in[static_cast<size_t>(begin)];
    for (int64_t j = begin + 1; j < end; ++j) best = std::max(best, in[static_cast<size_t>(j)]);
    out[static_cast<size_t>(i)] = best;
  }
}

namespace {

// Integers in the order of the floats that they stand for.
uint32_t rank_of(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

}  // namespace

void BestOf::choose(std::span<const float> scores, int64_t k, std::vector<int32_t>& out) {
  out.clear();
  const size_t n = scores.size();
  if (k <= 0) return;
  if (static_cast<size_t>(k) >= n) {
    out.resize(n);
    std::iota(out.begin(), out.end(), 0);
    return;
  }
  // The bin in which the k-th best lies, by the leading bits; only that bin is looked into.
  counts_.fill(0);
  for (const float x : scores) ++counts_[rank_of(x) >> 21];
  auto left = static_cast<int32_t>(k);
  uint32_t bin = 2047;
  while (counts_[bin] < left) left -= counts_[bin--];
  border_.clear();
  for (size_t i = 0; i < n; ++i) {
    const uint32_t rank = rank_of(scores[i]);
    if (rank >> 21 == bin) border_.push_back({rank, static_cast<int32_t>(i)});
  }
  const auto last = border_.begin() + (left - 1);
  std::nth_element(border_.begin(), last, border_.end(),
                   [](const Candidate& a, const Candidate& b) {
                     return a.rank != b.rank ? a.rank > b.rank : a.index < b.index;
                   });
  const Candidate worst = *last;
  for (size_t i = 0; i < n; ++i) {
    const uint32_t rank = rank_of(scores[i]);
    const auto index = static_cast<int32_t>(i);
    if (rank > worst.rank || (rank == worst.rank && index <= worst.index)) out.push_back(index);
  }
}

void best_with_newest(std::span<float> scores, int64_t pool, int64_t budget, int64_t newest,
                      std::vector<int32_t>& out) {
  thread_local std::vector<float> pooled;
  thread_local BestOf best;
  const auto n = static_cast<int64_t>(scores.size());
  pooled.resize(scores.size());
  pool_largest(scores, pool, pooled);
  std::copy(pooled.begin(), pooled.end(), scores.begin());
  newest = std::min(newest, n);
  best.choose(scores.first(static_cast<size_t>(n - newest)), budget - newest, out);
  for (int64_t i = n - newest; i < n; ++i) out.push_back(static_cast<int32_t>(i));
}

void add_run(std::vector<Run>& runs, int64_t begin, int64_t end, int64_t query_position) {
  if (begin >= end) return;
  if (!runs.empty() && runs.back().end == begin && runs.back().query_position == query_position) {
    runs.back().end = end;
    return;
  }
  runs.push_back({begin, end, query_position});
}

void need_plain_rotary(const Geometry& g, const std::string& policy) {
  if (g.windowed) {
    throw Error("--context " + policy, "this model's layers have sliding windows of their own",
                "Use --context full.");
  }
  if (!g.rotary) {
    throw Error("--context " + policy,
                "needs rotary positions in every layer, which this model does not have",
                "Use --context full.");
  }
}

void need_odd_pool(int64_t pool, const std::string& policy) {
  if (pool % 2 == 1) return;
  throw Error(policy + ": pool=" + std::to_string(pool), "is even, and has no middle",
              "Give " + std::to_string(pool + 1) + " or another odd number.");
}

}  // namespace tessera
