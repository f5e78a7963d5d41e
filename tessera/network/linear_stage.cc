#include "tessera/network/linear_stage.h"

#include <algorithm>

namespace tessera {
namespace {

// Groups that a thread claims at once when there are many rows: 64 rows of weights stay in the
// second-level cache while all tiles pass.
constexpr int64_t kPanelGroups = 4;

}  // namespace

void multiply(const LinearPart& part, const Rows& in, const Tiles* tiles, int64_t rows,
              int64_t begin, int64_t end) {
  const Kernels& k = kernels();
  for (int64_t t = 0; t < rows; t += kTileTokens) {
    ActivationTile tile;
    tile.tokens = std::min(kTileTokens, rows - t);
    tile.plain = in.row(t);
    tile.plain_stride = in.stride;
    if (tiles) {
      tile.quantised = tiles->data + t / kTileTokens * tiles->tile_stride;
      tile.activations = tiles->activations;
    }
    k.linear(part.matrix, begin, end, tile, part.out->row(t), part.out->stride);
    if (!part.bias) continue;
    for (int64_t r = t; r < t + tile.tokens; ++r) {
      float* out = part.out->row(r) + begin * kGroupRows;
      k.add_scaled(out, part.bias + begin * kGroupRows, 1, (end - begin) * kGroupRows, out);
    }
  }
}

std::string LinearStage::operation() const {
  std::string name;
  for (const std::string& module : modules) {
    if (!name.empty()) name += " + ";
    name += module.substr(module.rfind('.') + 1);
  }
  return name;
}

StageWork LinearStage::work(const Chunk& chunk, int64_t /*keys_read*/) const {
  const int64_t rows = wanted_ ? static_cast<int64_t>(chunk.wanted.size()) : chunk.rows;
  StageWork work;
  for (const LinearPart& part : parts) {
    const PackedMatrix& m = part.matrix;
    work.bytes += m.groups() * m.group_bytes();
    work.multiply_adds += rows * m.rows * m.columns;
  }
  return work;
}

void LinearStage::run(Crew& crew, const Chunk& chunk) {
  const int64_t rows = wanted_ ? static_cast<int64_t>(chunk.wanted.size()) : chunk.rows;
  if (rows == 0) return;
  if (crew.observer) {
    for (const Place& place : places) crew.observer->see(crew, place, *in_, rows);
  }
  // Few rows are bound by memory: one long stream a thread is fastest. Many are bound by
  // arithmetic, where claimed panels even out a thread that loses its core.
  if (rows <= kTileTokens) {
    for (const LinearPart& part : parts) {
      const Share s = share_of(part.matrix.groups(), crew.thread, crew.size());
      if (s.begin < s.end) multiply(part, *in_, tiles_, rows, s.begin, s.end);
    }
    return;
  }
  int64_t claimed = crew.claim(), before = 0;
  for (const LinearPart& part : parts) {
    const int64_t panels = (part.matrix.groups() + kPanelGroups - 1) / kPanelGroups;
    for (; claimed < before + panels; claimed = crew.claim()) {
      const int64_t begin = (claimed - before) * kPanelGroups;
      multiply(part, *in_, tiles_, rows, begin,
               std::min(begin + kPanelGroups, part.matrix.groups()));
    }
    before += panels;
  }
}

}  // namespace tessera
