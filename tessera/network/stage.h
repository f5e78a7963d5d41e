// What the engine runs: a flat list of stages, each a kernel over views that were fixed when the
// network was loaded. All threads of the pool run every stage and meet at a barrier after it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tessera/base/pool.h"
#include "tessera/files/checkpoint.h"
#include "tessera/kernels/kernels.h"
#include "tessera/network/kv_store.h"
#include "tessera/network/network.h"
#include "tessera/network/policy.h"

namespace tessera {

// Rows of activations. The memory may move between batches, when more rows are asked for.
struct Rows {
  float* data = nullptr;  // [rows, stride]
  int64_t width = 0;
  int64_t stride = 0;  // width rounded up to 16, plus 16: rows must not share cache sets
  float* row(int64_t r) const { return data + r * stride; }
};

// The quantised form of some Rows, in tiles of kTileTokens rows.
struct Tiles {
  std::byte* data = nullptr;
  int64_t tile_stride = 0;  // bytes
  Activations activations = Activations::fifteen_bits;
};

// One sequence's share of a chunk.
struct ChunkSegment {
  KvStore* store = nullptr;
  ContextPolicy* policy = nullptr;  // null: everything before it (decoders), all rows (encoders)
  PastCounters* counters = nullptr;
  int64_t first_row = 0, rows = 0;   // within the chunk
  int64_t first_entry = 0;           // entry of the store that row first_row becomes
  int64_t dropped = 0;               // tokens before it that are no entries any more
  std::span<const int32_t> parents;  // of these rows, as Segment::parents; empty: a chain
  bool sees_all = false;             // encoders: every row sees every row
};

// The rows that one run of the stages computes.
struct Chunk {
  int64_t rows = 0;
  std::span<const ChunkSegment> segments;
  std::span<const int32_t> segment_of;  // [rows]
  std::span<const int64_t> entry;       // [rows]
  std::span<const int32_t> position;    // [rows]
  std::span<const int32_t> wanted;      // rows whose results are wanted, for the head's stages
};

struct Crew;

// Is shown what the matrices of the body read. Every thread of a crew calls it with the same
// arguments between two barriers; it may pass barriers itself, and must not throw.
class InputObserver {
 public:
  virtual ~InputObserver() = default;
  // The first `rows` rows of `in` go into the matrix at `place`.
  virtual void see(Crew& crew, const Place& place, const Rows& in, int64_t rows) = 0;
};

// One thread's view of a run.
struct Crew {
  int64_t thread;
  Team& team;
  int64_t phase = 0;                  // barriers passed
  InputObserver* observer = nullptr;  // null: nobody looks

  void barrier() {
    team.barrier();
    ++phase;
  }
  int64_t claim() { return team.claim(phase); }
  int64_t size() const { return team.size(); }
};

// What a stage cannot but do for a chunk.
struct StageWork {
  int64_t bytes = 0;          // weights, keys and values, each read once
  int64_t multiply_adds = 0;  // of its matrix products
};

class Stage {
 public:
  virtual ~Stage() = default;
  virtual void run(Crew& crew, const Chunk& chunk) = 0;
  // What people call it, the same in every layer: for profiles.
  virtual std::string operation() const = 0;
  // `keys_read`: what the chunk's counters grew by when the stage ran.
  virtual StageWork work(const Chunk& chunk, int64_t keys_read) const {
    static_cast<void>(chunk), static_cast<void>(keys_read);
    return {};
  }
  // Hugging Face path of the modules that the stage computes, for profiles, hooks and adapters.
  std::vector<std::string> modules;
};

}  // namespace tessera
