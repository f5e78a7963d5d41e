// The keys and values of one sequence, in blocks of 64 keys of one layer and one KV head. Blocks
// are counted, so that forks share what they have in common, and freed when a policy evicts all of
// their entries.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "tessera/kernels/kernels.h"

namespace tessera {

struct KvShape {
  int64_t layers = 0, kv_heads = 0;
  int64_t head_width = 0;
  CacheType type = CacheType::f32;

  // Head width as the kernels want it: a multiple of 16, the rest zero.
  int64_t padded() const { return (head_width + 15) / 16 * 16; }
  int64_t half_bytes() const { return half_block_bytes(type, padded()); }
};

// keys [padded, kBlockKeys], then values [kBlockKeys, padded], each with its scales for q8.
struct KvBlock {
  std::atomic<int32_t> owners{1};
  std::byte* keys = nullptr;
  std::byte* values = nullptr;
};

// Hands out blocks from slabs of anonymous memory; the pages of a released block go back to the
// system. Thread-safe; outlives its stores through shared_ptr.
class KvPool {
 public:
  explicit KvPool(const KvShape& shape);
  ~KvPool();
  KvPool(const KvPool&) = delete;
  KvPool& operator=(const KvPool&) = delete;

  const KvShape& shape() const { return shape_; }
  // A zeroed block with one owner. Throws std::bad_alloc.
  KvBlock* take();
  void release(KvBlock* block);
  // Blocks handed out and not yet released.
  int64_t taken() const { return taken_; }

 private:
  struct Slab;
  KvShape shape_;
  std::mutex lock_;
  std::vector<std::unique_ptr<Slab>> slabs_;
  std::vector<KvBlock*> free_;
  std::atomic<int64_t> taken_{0};
};

class KvStore {
 public:
  explicit KvStore(std::shared_ptr<KvPool> pool);
  KvStore(const KvStore& other);  // shares every block
  KvStore& operator=(const KvStore&) = delete;
  ~KvStore();

  const KvShape& shape() const { return pool_->shape(); }
  int64_t entries() const { return entries_; }
  // Makes room for entries .. entries + count - 1 in every layer and head, copying a block that a
  // fork shares before it is written.
  void extend(int64_t count);
  // Drops entries from `entries` on.
  void truncate(int64_t entries);
  // Drops entries begin .. end - 1 for good; memory is freed block by block.
  void evict(int64_t begin, int64_t end);

  // Block `index` (entries 64 * index ..) of a layer and head; null when evicted.
  KvBlock* block(int64_t layer, int64_t head, int64_t index) const {
    return lists_[static_cast<size_t>(layer * shape().kv_heads + head)][static_cast<size_t>(index)];
  }
  // Writes one entry. Threads may write different entries at once.
  //   key, value [head_width]
  void write(int64_t layer, int64_t head, int64_t entry, const float* key, const float* value);

  // All entries as bytes, the same for the same entries.
  void write_to(const std::function<void(std::span<const std::byte>)>& sink) const;
  // The entries that write_to() wrote from a store of the same shape. Needs an empty store. Throws
  // Error for bytes that do not fit the shape.
  void read_from(std::span<const std::byte> bytes);
  // The key of one entry as it was stored.   out [head_width]
  void read_key(int64_t layer, int64_t head, int64_t entry, float* out) const;
  // Copies entry `from` of one layer and head over entry `to`, which a fork may share.
  void move(int64_t layer, int64_t head, int64_t from, int64_t to);

  int64_t bytes() const;  // of the blocks held; shared ones count in each store
  // Entries held in one layer and head.
  int64_t resident() const { return entries_ - evicted_; }
  int64_t evicted() const { return evicted_; }

 private:
  KvBlock* copy(const KvBlock& from);
  std::shared_ptr<KvPool> pool_;
  int64_t entries_ = 0;
  int64_t evicted_ = 0;
  int64_t sinks_ = 0, evicted_end_ = 0;  // evicted are sinks_ .. evicted_end_ - 1
  std::vector<std::vector<KvBlock*>> lists_;
};

}  // namespace tessera
