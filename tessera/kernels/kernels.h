// The arithmetic of the engine on raw views, one table of functions a processor level. Every level
// runs the same bodies (kernel_bodies.h) on 16 lanes: the same order of every sum, so that a
// result depends on neither the number of threads nor the other tokens of a batch.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tessera/kernels/activation.h"
#include "tessera/kernels/packing.h"
#include "tessera/kernels/text_masks.h"
#include "tessera/kernels/unit_table.h"

namespace tessera {

// Keys of one chunk are scored together; chunks are merged in ascending order. A cache block holds
// kBlockKeys keys of one layer and one KV head.
inline constexpr int64_t kBlockKeys = 64;
inline constexpr int64_t kChunkBlocks = 4;
inline constexpr int64_t kChunkKeys = kBlockKeys * kChunkBlocks;
// Query rows that one call of attend() takes.
inline constexpr int64_t kAttendRows = 12;

// How a cache block holds numbers. q8: codes of -127 .. 127 and a scale a key and head (a value's
// likewise), which stand behind the block's codes, [kBlockKeys] fp32 each.
enum class CacheType : uint8_t { f32, f16, bf16, q8 };
// Bytes of one number.
constexpr int64_t cache_bytes(CacheType t) {
  return t == CacheType::f32 ? 4 : t == CacheType::q8 ? 1 : 2;
}
// Bytes that the keys of one block take, and its values.   width: of a head, a multiple of 16
constexpr int64_t half_block_bytes(CacheType t, int64_t width) {
  return kBlockKeys *
         (width * cache_bytes(t) + (t == CacheType::q8 ? static_cast<int64_t>(sizeof(float)) : 0));
}

// One query row of attend(): which keys of the chunk it sees, and where the result goes.
struct AttendRow {
  const float* query = nullptr;  // [width], rotated and scaled
  int64_t begin = 0, end = 0;    // keys begin .. end - 1 of the chunk, 0 .. kChunkKeys
  float slope = 0;  // ALiBi: score += slope * (key - query_at), keys counted in the chunk
  int64_t query_at = 0;
  // Result over this chunk: maximum score, sum of exp(score - maximum), and the sum of the values
  // weighted by it.   weighted [width]; maximum is -inf when the row sees nothing here
  float* maximum = nullptr;
  float* total = nullptr;
  float* weighted = nullptr;
};

// Attention of a few rows over one chunk.
//   keys[b]    block b of the chunk: [width, kBlockKeys]   values[b]: [kBlockKeys, width]
//   width      head width rounded up to 16, the rest zero
struct AttendChunk {
  std::span<const AttendRow> rows;      // at most kAttendRows
  const void* keys[kChunkBlocks] = {};  // null where no row looks
  const void* values[kChunkBlocks] = {};
  CacheType type = CacheType::f32;
  int64_t width = 0;
  float softcap = 0;           // cap * tanh(score / cap) when not 0
  float* scores = nullptr;     // scratch [rows, kChunkKeys]
  const void* then = nullptr;  // a block's keys that are likely to be read next, to be fetched
};

// Attention of a few rows over chosen keys of one chunk, read where they lie. Keys are scored in
// groups of 16: a group of which none is chosen is not read, values are read one by one.
struct ChosenChunk {
  std::span<const AttendRow> rows;      // at most kAttendRows; begin, end and slope are ignored
  const void* keys[kChunkBlocks] = {};  // as AttendChunk; null where nothing is chosen
  const void* values[kChunkBlocks] = {};
  uint64_t chosen[kChunkBlocks] = {};  // bit i of block b: key 64 * b + i; at least one is set
  // Which of the chosen keys each row sees, [rows, kChunkBlocks]; null: every row sees all. What a
  // row that sees some gets is, to the bit, what it gets alone.
  const uint64_t* seen = nullptr;
  CacheType type = CacheType::f32;
  int64_t width = 0;
  float softcap = 0;
  float* scores = nullptr;  // scratch [rows, kChunkKeys]
};

// Inner products of queries with a block of keys that are held as codes of 16 bits in two halves:
// number d of key k is scales[k] * (256 * high[k, d] + low[k, d]).
struct CodeScores {
  const int16_t* queries = nullptr;  // [n, width], n <= kAttendRows; in units of [n]
  const float* units = nullptr;      // 128 times the sum of a query's magnitudes fits 31 bits
  int64_t n = 0, width = 0;          // a multiple of 32
  const int8_t* high = nullptr;      // [kBlockKeys, width]
  const int8_t* low = nullptr;       // null: products with the upper halves alone
  const float* scales = nullptr;     // [kBlockKeys]
  const int8_t* then = nullptr;      // codes that are likely to be read next, to be fetched
  float* out = nullptr;              // [n, kBlockKeys]
};

struct Kernels {
  std::string_view name;
  bool wide_tiles = false;  // how its activation tiles hold fifteen bits: packing.h

  // Rows 16 * group_begin .. 16 * group_end - 1 of y = W x.
  //   out [tile.tokens, stride], written at the rows' own columns; columns rounded up to 16
  void (*linear)(const PackedMatrix& w, int64_t group_begin, int64_t group_end,
                 const ActivationTile& tile, float* out, int64_t stride);
  // Quantises x [tokens, stride], `columns` of each (a multiple of 32), into a tile.
  void (*quantise)(Activations kind, const float* x, int64_t stride, int64_t tokens,
                   int64_t columns, std::byte* tile);

  // out[i] = x[i] / sqrt(mean(x^2) + epsilon) * (weight[i] + offset). out may be x.
  void (*rms_norm)(const float* x, const float* weight, float epsilon, float offset, int64_t n,
                   float* out);
  // out[i] = (x[i] - mean) / sqrt(variance + epsilon) * (weight[i] + offset) + bias[i]; bias may be
  // null.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float epsilon,
                     float offset, int64_t n, float* out);
  void (*activate)(Activation kind, const float* x, int64_t n, float* out);
  // out[i] = activation(gate[i]) * up[i]
  void (*gate)(Activation kind, const float* gate, const float* up, int64_t n, float* out);
  // out[i] = a[i] + scale * b[i]
  void (*add_scaled)(const float* a, const float* b, float scale, int64_t n, float* out);
  // out[i] = cap * tanh(x[i] / cap)
  void (*softcap)(const float* x, float cap, int64_t n, float* out);
  // Softmax over n values, in place; gives the logarithm of the sum of exponentials.
  float (*softmax)(float* x, int64_t n);

  void (*attend)(const AttendChunk& chunk);
  void (*attend_chosen)(const ChosenChunk& chunk);
  // Inner products of n queries [width] (at most kAttendRows) with the keys of a block [width,
  // kBlockKeys].   out [n, kChunkKeys], of which the first kBlockKeys of each row are written
  void (*score)(const AttendRow* rows, int64_t n, const void* keys, CacheType type, int64_t width,
                float* out);
  void (*score_codes)(const CodeScores& call);
  // Sixteen rows of numbers become columns first .. first + 15 (a multiple of 16) of a block's
  // keys, rounded as the cache rounds: too large ones to the largest. width: a multiple of 16. Not
  // for q8.
  //   rows [16, stride]   keys [width, kBlockKeys]
  void (*place_keys)(CacheType type, const float* rows, int64_t stride, int64_t width, void* keys,
                     int64_t first);
  // out[i] = scale * (256 * high[i] + low[i]), n a multiple of 16
  void (*widen_codes)(const int8_t* high, const int8_t* low, float scale, int64_t n, float* out);
  // Merges the result of a later chunk into that of the earlier ones.   weighted [width]
  void (*merge)(float* maximum, float* total, float* weighted, float chunk_maximum,
                float chunk_total, const float* chunk_weighted, int64_t width);

  // The classes of 64 * blocks bytes.   out [blocks]
  void (*ascii_masks)(const unsigned char* text, size_t blocks, AsciiMasks* out);
  void (*wide_masks)(const unsigned char* text, size_t blocks, const LeadSet& first,
                     const LeadSet& second, WideMasks* out);
  // For 64 * blocks bytes of ASCII, bit i says whether byte i - 1 and byte i are in the relation.
  // The byte in front of `text` is read; what bytes from 0x80 on are given is undefined.
  //   out [blocks]
  void (*pair_masks)(const unsigned char* text, size_t blocks, const PairGroups& groups,
                     uint64_t* out);
  // The numbers of the bits that are set, the first one being `base`; gives how many.
  //   bits [blocks]   out: room for 16 more than there are
  size_t (*positions)(const uint64_t* bits, size_t blocks, uint32_t base, uint32_t* out);
  // Fills the lists of a batch whose text and starts are set, of n <= kMost strings.
  void (*sort_units)(UnitBatch& batch, size_t n);
  // Looks up the short and the medium strings of a batch in tables of 2^bits sets: their values, or
  // kNoValue. 16 bytes from where a string begins can be read.   values [n]
  void (*find_units)(const UnitBatch& batch, const ShortSet* shorts, int short_bits,
                     const MediumSet* mediums, int medium_bits, uint64_t* values);
};

const Kernels& reference_kernels();
// The best level that this processor has; TESSERA_LEVEL=reference|avx2|avx512 asks for a lower one.
// Throws Error when the variable names a level that the processor lacks.
const Kernels& kernels();
// Every level that this processor can run, the reference first.
std::span<const Kernels* const> available_kernels();

}  // namespace tessera
