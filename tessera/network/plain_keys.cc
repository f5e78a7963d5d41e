#include "tessera/network/plain_keys.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tessera/kernels/kernels.h"

namespace tessera {
namespace {

// The largest whole number that a key's largest becomes: its upper half is 127.
constexpr float kMostOfKey = 127 * 256;

// The largest magnitude, finite whatever stands there.
float largest(const float* x, int64_t n) {
  float most = 0;
  for (int64_t i = 0; i < n; ++i) most = std::max(most, std::abs(x[i]));
  return std::min(most, 1e30f);
}

// The numbers of a query as whole ones, so small that no sum of products leaves 31 bits; gives
// their unit.   out [width]
float whole_query(const float* query, int64_t n, int64_t width, int16_t* out) {
  const float most_of_query =
      static_cast<float>(std::min<int64_t>(32767, (int64_t{1} << 31) / (129 * width)));
  const float most = largest(query, n);
  const float inverse = most > 0 ? most_of_query / most : 0;
  for (int64_t d = 0; d < n; ++d) {
    const float whole = std::nearbyint(query[d] * inverse);
    out[d] = std::abs(whole) <= most_of_query ? static_cast<int16_t>(whole) : int16_t{0};
  }
  std::fill(out + n, out + width, int16_t{0});
  return most / most_of_query;
}

}  // namespace

void PlainKeys::append(const float* key) {
  if (size_ % kBlockKeys == 0) blocks_.emplace_back(static_cast<size_t>(block_bytes()));
  auto* block = reinterpret_cast<int8_t*>(blocks_.back().data());
  const int64_t at = size_ % kBlockKeys;
  int8_t* high = block + at * width_;
  int8_t* low = high + kBlockKeys * width_;
  const float most = largest(key, head_width_);
  const float inverse = most > 0 ? kMostOfKey / most : 0;
  for (int64_t d = 0; d < head_width_; ++d) {
    // A NaN becomes some number: the layers that made it are looked at elsewhere.
    const float code = std::nearbyint(key[d] * inverse);
    const int whole = code > -kMostOfKey ? static_cast<int>(std::min(code, kMostOfKey))
                                         : -static_cast<int>(kMostOfKey);
    const int upper = (whole + 128) >> 8;
    high[d] = static_cast<int8_t>(upper);
    low[d] = static_cast<int8_t>(whole - upper * 256);
  }
  const float scale = most / kMostOfKey;
  std::memcpy(block + 2 * kBlockKeys * width_ + at * static_cast<int64_t>(sizeof scale), &scale,
              sizeof scale);
  ++size_;
}

void PlainKeys::follow(const LayerView& view, int64_t kv_head) {
  thread_local std::vector<float> key;
  key.resize(static_cast<size_t>(head_width_));
  while (size_ < view.entries()) {
    view.key(kv_head, size_, key.data());
    view.turn(key.data(), -(view.position(0) + size_ - view.first_entry()));
    append(key.data());
  }
}

void PlainKeys::score(const float* queries, int64_t n, int64_t stride, int64_t begin, int64_t end,
                      bool exact, float* out) const {
  thread_local std::vector<int16_t> whole;
  whole.resize(static_cast<size_t>(n * width_));
  float units[kAttendRows];
  for (int64_t i = 0; i < n; ++i) {
    units[i] = whole_query(queries + i * stride, head_width_, width_, whole.data() + i * width_);
  }
  float scores[kAttendRows * kBlockKeys];
  CodeScores call;
  call.queries = whole.data();
  call.units = units;
  call.n = n;
  call.width = width_;
  call.out = scores;
  const int64_t columns = end - begin;
  for (int64_t b = begin / kBlockKeys; b * kBlockKeys < end; ++b) {
    const int64_t from = std::max(begin - b * kBlockKeys, int64_t{0});
    const int64_t to = std::min(end - b * kBlockKeys, kBlockKeys);
    call.high = codes(b);
    if (exact) call.low = codes(b) + kBlockKeys * width_;
    call.scales = scales(b);
    call.then = (b + 1) * kBlockKeys < end ? codes(b + 1) : nullptr;
    kernels().score_codes(call);
    for (int64_t i = 0; i < n; ++i) {
      std::copy(scores + i * kBlockKeys + from, scores + i * kBlockKeys + to,
                out + i * columns + b * kBlockKeys + from - begin);
    }
  }
}

void PlainKeys::load(const RopeTable* rope, bool interleaved, int64_t entry, int64_t by,
                     float* out) const {
  const int64_t block = entry / kBlockKeys, at = entry % kBlockKeys;
  const int8_t* high = codes(block) + at * width_;
  kernels().widen_codes(high, high + kBlockKeys * width_, scales(block)[at], width_, out);
  if (!rope || by == 0) return;
  const int64_t p = std::abs(by);
  rotate(out, rope->cosines(p), rope->sines(p), rope->pairs(), interleaved, by > 0 ? 1.f : -1.f);
}

void PlainKeys::prefetch(int64_t entry) const {
  const int64_t block = entry / kBlockKeys, at = entry % kBlockKeys;
  const int8_t* high = codes(block) + at * width_;
  for (int64_t d = 0; d < width_; d += 64) {
    __builtin_prefetch(high + d);
    __builtin_prefetch(high + kBlockKeys * width_ + d);
  }
  __builtin_prefetch(scales(block) + at);
}

}  // namespace tessera
