#include "tessera/network/kv_store.h"

#include <algorithm>
#include <cstring>
#include <new>

#include <sys/mman.h>

#include "tessera/kernels/half.h"

namespace tessera {
namespace {

// Slabs are as large as a huge page, or one block when that is larger.
constexpr int64_t kSlabBytes = 2 << 20;

// Beyond the range of binary16 the largest number: an infinity would make sums of weight 0 NaN.
uint16_t float_to_finite_half(float x) { return float_to_half(std::clamp(x, -65504.f, 65504.f)); }

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
  auto* keys = reinterpret_cast<uint16_t*>(b->keys);
  auto* values = reinterpret_cast<uint16_t*>(b->values);
  const auto shortened = s.type == CacheType::f16 ? float_to_finite_half : float_to_bfloat;
  for (int64_t d = 0; d < s.head_width; ++d) {
    keys[d * kBlockKeys + at] = shortened(key[d]);
    values[at * width + d] = shortened(value[d]);
  }
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
  const auto* from = reinterpret_cast<const uint16_t*>(keys);
  const auto widened = s.type == CacheType::f16 ? half_to_float : bfloat_to_float;
  for (int64_t d = 0; d < s.head_width; ++d) out[d] = widened(from[d * kBlockKeys + at]);
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
