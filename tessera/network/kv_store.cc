#include "tessera/network/kv_store.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <new>
#include <string>

#include <fmt/format.h>
#include <sys/mman.h>

#include "tessera/base/error.h"
#include "tessera/kernels/half.h"

namespace tessera {
namespace {

// Slabs are as large as a huge page, or one block when that is larger.
constexpr int64_t kSlabBytes = 2 << 20;

// Beyond the range of binary16 the largest number: an infinity would make sums of weight 0 NaN.
uint16_t float_to_finite_half(float x) { return float_to_half(std::clamp(x, -65504.f, 65504.f)); }

// Codes of `x`, `stride` apart; gives their scale.   x [n]
float write_codes(const float* x, int64_t n, int8_t* codes, int64_t stride) {
  float most = 0;
  for (int64_t d = 0; d < n; ++d) most = std::max(most, std::abs(x[d]));
  most = std::min(most, 1e30f);
  const float inverse = most > 0 ? 127 / most : 0;
  for (int64_t d = 0; d < n; ++d) {
    const float code = std::nearbyint(x[d] * inverse);
    // A NaN becomes some code: the layers that made it are looked at elsewhere.
    codes[d * stride] = code > -127 ? static_cast<int8_t>(std::min(code, 127.f)) : int8_t{-127};
  }
  return most / 127;
}

}  // namespace

struct KvPool::Slab {
  Slab(int64_t block_count, int64_t bytes_each)
      : size(block_count * bytes_each), blocks(block_count) {
    void* at = mmap(nullptr, static_cast<size_t>(size), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    memory = static_cast<std::byte*>(at);
    for (int64_t i = 0; i < block_count; ++i) {
      blocks[static_cast<size_t>(i)].keys = memory + i * bytes_each;
      blocks[static_cast<size_t>(i)].values = memory + i * bytes_each + bytes_each / 2;
    }
  }
  ~Slab() { munmap(memory, static_cast<size_t>(size)); }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  int64_t size;
  std::byte* memory = nullptr;
  std::vector<KvBlock> blocks;
};

KvPool::KvPool(const KvShape& shape) : shape_(shape) {}
KvPool::~KvPool() = default;

KvBlock* KvPool::take() {
  const int64_t bytes = 2 * shape_.half_bytes();
  KvBlock* block;
  {
    std::lock_guard guard(lock_);
    if (free_.empty()) {
      slabs_.push_back(std::make_unique<Slab>(std::max<int64_t>(1, kSlabBytes / bytes), bytes));
      auto& fresh = slabs_.back()->blocks;
      for (auto it = fresh.rbegin(); it != fresh.rend(); ++it) free_.push_back(&*it);
    }
    block = free_.back();
    free_.pop_back();
  }
  ++taken_;
  // Entries that were never written take part in sums with weight zero: they must be finite.
  std::memset(block->keys, 0, static_cast<size_t>(bytes));
  block->owners.store(1, std::memory_order_relaxed);
  return block;
}

void KvPool::release(KvBlock* block) {
  if (block->owners.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  --taken_;
  // The pages go back to the system; the address range stays for the next block.
  madvise(block->keys, static_cast<size_t>(2 * shape_.half_bytes()), MADV_DONTNEED);
  std::lock_guard guard(lock_);
  free_.push_back(block);
}

KvStore::KvStore(std::shared_ptr<KvPool> pool) : pool_(std::move(pool)) {
  lists_.resize(static_cast<size_t>(shape().layers * shape().kv_heads));
}

KvStore::KvStore(const KvStore& other)
    : pool_(other.pool_),
      entries_(other.entries_),
      evicted_(other.evicted_),
      sinks_(other.sinks_),
      evicted_end_(other.evicted_end_),
      lists_(other.lists_) {
  for (auto& list : lists_) {
    for (KvBlock* b : list) {
      if (b) b->owners.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

KvStore::~KvStore() {
  for (auto& list : lists_) {
    for (KvBlock* b : list) {
      if (b) pool_->release(b);
    }
  }
}

KvBlock* KvStore::copy(const KvBlock& from) {
  KvBlock* to = pool_->take();
  std::memcpy(to->keys, from.keys, static_cast<size_t>(2 * shape().half_bytes()));
  return to;
}

void KvStore::extend(int64_t count) {
  const int64_t first = entries_ / kBlockKeys;
  const int64_t blocks = (entries_ + count + kBlockKeys - 1) / kBlockKeys;
  for (auto& list : lists_) {
    if (first < static_cast<int64_t>(list.size())) {
      KvBlock*& open = list[static_cast<size_t>(first)];
      if (open && open->owners.load(std::memory_order_acquire) > 1) {
        KvBlock* own = copy(*open);
        pool_->release(open);
        open = own;
      }
    }
    while (static_cast<int64_t>(list.size()) < blocks) list.push_back(pool_->take());
  }
  entries_ += count;
}

void KvStore::truncate(int64_t entries) {
  const int64_t blocks = (entries + kBlockKeys - 1) / kBlockKeys;
  for (auto& list : lists_) {
    while (static_cast<int64_t>(list.size()) > blocks) {
      if (list.back()) pool_->release(list.back());
      list.pop_back();
    }
  }
  entries_ = entries;
}

void KvStore::evict(int64_t begin, int64_t end) {
  end = std::min(end, entries_);
  if (evicted_ > 0) begin = std::max(begin, evicted_end_);
  if (begin >= end) return;
  if (evicted_ == 0) sinks_ = begin;
  evicted_ += end - begin;
  evicted_end_ = end;
  // A block goes when all of its entries are among the evicted ones.
  const int64_t first = (sinks_ + kBlockKeys - 1) / kBlockKeys, last = evicted_end_ / kBlockKeys;
  for (auto& list : lists_) {
    for (int64_t b = last - 1; b >= first && list[static_cast<size_t>(b)]; --b) {
      pool_->release(list[static_cast<size_t>(b)]);
      list[static_cast<size_t>(b)] = nullptr;
    }
  }
}

void KvStore::write(int64_t layer, int64_t head, int64_t entry, const float* key,
                    const float* value) {
  const KvShape& s = shape();
  const KvBlock* b = block(layer, head, entry / kBlockKeys);
  const int64_t at = entry % kBlockKeys, width = s.padded();
  if (s.type == CacheType::f32) {
    auto* keys = reinterpret_cast<float*>(b->keys);
    auto* values = reinterpret_cast<float*>(b->values);
    for (int64_t d = 0; d < s.head_width; ++d) keys[d * kBlockKeys + at] = key[d];
    std::memcpy(values + at * width, value, static_cast<size_t>(s.head_width) * sizeof(float));
    return;
  }
  if (s.type == CacheType::q8) {
    auto* keys = reinterpret_cast<int8_t*>(b->keys);
    auto* values = reinterpret_cast<int8_t*>(b->values);
    auto* key_scales = reinterpret_cast<float*>(keys + width * kBlockKeys);
    auto* value_scales = reinterpret_cast<float*>(values + width * kBlockKeys);
    key_scales[at] = write_codes(key, s.head_width, keys + at, kBlockKeys);
    value_scales[at] = write_codes(value, s.head_width, values + at * width, 1);
    return;
  }
  auto* keys = reinterpret_cast<uint16_t*>(b->keys);
  auto* values = reinterpret_cast<uint16_t*>(b->values);
  const auto shortened = s.type == CacheType::f16 ? float_to_finite_half : float_to_bfloat;
  for (int64_t d = 0; d < s.head_width; ++d) {
    keys[d * kBlockKeys + at] = shortened(key[d]);
    values[at * width + d] = shortened(value[d]);
  }
}

void KvStore::write_to(const std::function<void(std::span<const std::byte>)>& sink) const {
  const KvShape& s = shape();
  const std::array<int64_t, 4> head = {entries_, evicted_, sinks_, evicted_end_};
  sink(std::as_bytes(std::span(head)));
  const int64_t each = cache_bytes(s.type), width = s.padded();
  const int64_t blocks = (entries_ + kBlockKeys - 1) / kBlockKeys;
  std::vector<std::byte> last(static_cast<size_t>(2 * s.half_bytes()));
  for (const auto& list : lists_) {
    for (int64_t b = 0; b < blocks; ++b) {
      const KvBlock* block = list[static_cast<size_t>(b)];
      if (!block) continue;
      const std::span<const std::byte> all{block->keys, last.size()};
      const int64_t used = std::min(kBlockKeys, entries_ - b * kBlockKeys);
      if (used == kBlockKeys) {
        sink(all);
        continue;
      }
      // Behind the last entry may stand what was taken back: nobody's business.
      std::copy(all.begin(), all.end(), last.begin());
      for (int64_t d = 0; d < width; ++d) {
        std::byte* row = last.data() + d * kBlockKeys * each;
        std::fill(row + used * each, row + kBlockKeys * each, std::byte{});
      }
      std::byte* values = last.data() + s.half_bytes();
      std::fill(values + used * width * each, values + kBlockKeys * width * each, std::byte{});
      if (s.type == CacheType::q8) {
        for (std::byte* half : {last.data(), values}) {
          std::byte* scales = half + kBlockKeys * width;
          std::fill(scales + used * sizeof(float), scales + kBlockKeys * sizeof(float),
                    std::byte{});
        }
      }
      sink(last);
    }
  }
}

void KvStore::read_from(std::span<const std::byte> bytes) {
  const auto wrong = [](const std::string& what) {
    return Error("past", "its blocks are not those of this model: " + what, "Make it again.");
  };
  std::array<int64_t, 4> head{};
  if (bytes.size() < sizeof head) throw wrong("there are too few bytes");
  std::memcpy(head.data(), bytes.data(), sizeof head);
  bytes = bytes.subspan(sizeof head);
  const auto [entries, evicted, sinks, evicted_end] = head;
  const auto each = static_cast<size_t>(2 * shape().half_bytes());
  // Blocks that were evicted have a place in every list, so that their number is no one's word.
  constexpr int64_t kMostEntries = int64_t{1} << 24;
  if (entries < 0 || sinks < 0 || sinks > evicted_end || evicted_end > entries ||
      evicted != evicted_end - sinks || entries > kMostEntries) {
    throw wrong(fmt::format("{} entries without {} to {}", entries, sinks, evicted_end));
  }
  const int64_t blocks = (entries + kBlockKeys - 1) / kBlockKeys;
  const int64_t first = (sinks + kBlockKeys - 1) / kBlockKeys, last = evicted_end / kBlockKeys;
  const int64_t held = blocks - std::max<int64_t>(0, last - first);
  if (bytes.size() / each != static_cast<uint64_t>(held) * lists_.size() ||
      bytes.size() % each != 0) {
    throw wrong(fmt::format("{} bytes, not {} blocks of {}", bytes.size(),
                            static_cast<uint64_t>(held) * lists_.size(), each));
  }
  for (auto& list : lists_) {
    for (int64_t b = 0; b < blocks; ++b) {
      list.push_back(nullptr);
      if (b >= first && b < last) continue;
      list.back() = pool_->take();
      std::memcpy(list.back()->keys, bytes.data(), each);
      bytes = bytes.subspan(each);
    }
  }
  entries_ = entries;
  evicted_ = evicted;
  sinks_ = sinks;
  evicted_end_ = evicted_end;
}

void KvStore::read_key(int64_t layer, int64_t head, int64_t entry, float* out) const {
  const KvShape& s = shape();
  const std::byte* keys = block(layer, head, entry / kBlockKeys)->keys;
  const int64_t at = entry % kBlockKeys;
  if (s.type == CacheType::f32) {
    const auto* from = reinterpret_cast<const float*>(keys);
    for (int64_t d = 0; d < s.head_width; ++d) out[d] = from[d * kBlockKeys + at];
    return;
  }
  // No call an element: policies read thousands of keys a token.
  const auto* from = reinterpret_cast<const uint16_t*>(keys) + at;
  if (s.type == CacheType::f16) {
    for (int64_t d = 0; d < s.head_width; ++d) out[d] = half_to_float(from[d * kBlockKeys]);
  } else {
    for (int64_t d = 0; d < s.head_width; ++d) out[d] = bfloat_to_float(from[d * kBlockKeys]);
  }
}

void KvStore::move(int64_t layer, int64_t head, int64_t from, int64_t to) {
  const KvShape& s = shape();
  KvBlock*& into =
      lists_[static_cast<size_t>(layer * s.kv_heads + head)][static_cast<size_t>(to / kBlockKeys)];
  if (into->owners.load(std::memory_order_acquire) > 1) {
    KvBlock* own = copy(*into);
    pool_->release(into);
    into = own;
  }
  const KvBlock* source = block(layer, head, from / kBlockKeys);
  const auto size = static_cast<size_t>(cache_bytes(s.type));
  const auto a = static_cast<size_t>(from % kBlockKeys), b = static_cast<size_t>(to % kBlockKeys);
  for (size_t d = 0; d < static_cast<size_t>(s.head_width); ++d) {
    std::memcpy(into->keys + (d * kBlockKeys + b) * size,
                source->keys + (d * kBlockKeys + a) * size, size);
  }
  const size_t line = static_cast<size_t>(s.padded()) * size;
  std::memcpy(into->values + b * line, source->values + a * line, line);
}

int64_t KvStore::bytes() const {
  int64_t blocks = 0;
  for (const auto& list : lists_) {
    blocks += std::count_if(list.begin(), list.end(), [](KvBlock* b) { return b != nullptr; });
  }
  return blocks * 2 * shape().half_bytes();
}

}  // namespace tessera
