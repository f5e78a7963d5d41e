// Token ids of many documents in files that are mapped into memory, never read whole.
// The layout: docs/formats/shards.md.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/base/atomic_file.h"
#include "tessera/base/mapped_file.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

inline constexpr uint32_t kShardVersion = 1;

// What stands at a shard's end.
struct ShardFacts {
  uint32_t id_bytes = 4;    // 2 or 4
  uint64_t tokens = 0;      // of all its documents
  uint64_t documents = 0;   // that it holds
  uint64_t read = 0;        // documents of the input up to its last one, removed ones included
  uint64_t vocabulary = 0;  // hash
  uint64_t input = 0;       // hash of all documents read so far
  bool operator==(const ShardFacts&) const = default;
};

// One shard, open for reading. const calls may run together.
class Shard {
 public:
  // Throws Error with the byte of what is wrong.
  explicit Shard(const std::string& path);
  // The same over bytes in memory, at an address divisible by 8, which must outlive this object;
  // `name` stands for the path in errors.
  Shard(std::string_view bytes, const std::string& name);
  const ShardFacts& facts() const { return facts_; }
  int64_t documents() const { return static_cast<int64_t>(facts_.documents); }
  int64_t tokens() const { return static_cast<int64_t>(facts_.tokens); }
  // Ids of one document. Needs 0 <= document < documents(). Throws Error when its offsets do not
  // lie in the file.
  std::vector<TokenId> ids(int64_t document) const;
  // All ids one after another, as they lie in the file; empty when they have the other width.
  std::span<const uint16_t> ids16() const;
  std::span<const uint32_t> ids32() const;
  // Where the ids of each document begin, and where the last one's end.   [documents + 1]
  std::span<const uint64_t> offsets() const { return offsets_; }

 private:
  void read();

  MappedFile file_;
  std::string_view bytes_;
  std::string name_;
  ShardFacts facts_;
  std::span<const uint64_t> offsets_;
};

// Writes one shard, which appears when it is whole.
class ShardWriter {
 public:
  ShardWriter(const std::string& path, uint32_t id_bytes);
  // More ids of the current document. Needs ids that fit the width.
  void add(std::span<const TokenId> ids);
  // Ends the current document.
  void end_document();
  uint64_t tokens() const { return tokens_; }
  uint64_t documents() const { return offsets_.size() - 1; }
  // `facts`: read, vocabulary and input are taken from it. Call once, last.
  ShardFacts commit(ShardFacts facts);

 private:
  AtomicFile file_;
  uint32_t id_bytes_;
  uint64_t tokens_ = 0;
  std::vector<uint64_t> offsets_{0};
  std::vector<uint16_t> narrow_;
};

// "00000.shard".
std::string shard_name(size_t number);

// All shards of a folder. Throws Error when its manifest is missing, not complete, of another
// version, or does not fit a shard.
class ShardFolder {
 public:
  explicit ShardFolder(const std::string& folder);
  const std::vector<Shard>& shards() const { return shards_; }
  int64_t documents() const { return documents_; }
  int64_t tokens() const { return tokens_; }

 private:
  std::vector<Shard> shards_;
  int64_t documents_ = 0, tokens_ = 0;
};

}  // namespace tessera
