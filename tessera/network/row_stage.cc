#include "tessera/network/row_stage.h"

#include <algorithm>
#include <cstring>

namespace tessera {
namespace {

void rotate_heads(const RowOp& op, const Chunk& chunk, int64_t r, float* out) {
  const int64_t head_width = op.a->width / op.heads;
  std::memcpy(out, op.a->row(r), static_cast<size_t>(op.a->width) * sizeof(float));
  const int64_t p = chunk.position[static_cast<size_t>(r)];
  for (int64_t h = 0; h < op.heads; ++h) {
    rotate(out + h * head_width, op.rope->cosines(p), op.rope->sines(p), op.rope->pairs(),
           op.interleaved);
  }
}

void append_entry(const RowOp& op, const Chunk& chunk, int64_t r) {
  const ChunkSegment& s =
      chunk.segments[static_cast<size_t>(chunk.segment_of[static_cast<size_t>(r)])];
  const int64_t head_width = op.a->width / op.heads;
  for (int64_t h = 0; h < op.heads; ++h) {
    s.store->write(op.layer, h, chunk.entry[static_cast<size_t>(r)], op.a->row(r) + h * head_width,
                   op.b->row(r) + h * head_width);
  }
}

void run_row(const Kernels& k, const RowOp& op, const Chunk& chunk, int64_t r) {
  const int64_t n = op.a->width;
  const float* a = op.a->row(r);
  float* out = op.out ? op.out->row(r) : nullptr;
  switch (op.kind) {
    case RowOpKind::rms_norm:
      return k.rms_norm(a, op.weight, op.epsilon, op.offset, n, out);
    case RowOpKind::layer_norm:
      return k.layer_norm(a, op.weight, op.bias, op.epsilon, op.offset, n, out);
    case RowOpKind::head_norm: {
      const int64_t w = n / op.heads;
      for (int64_t h = 0; h < op.heads; ++h) {
        k.rms_norm(a + h * w, op.weight, op.epsilon, op.offset, w, out + h * w);
      }
      return;
    }
    case RowOpKind::rotate:
      return rotate_heads(op, chunk, r, out);
    case RowOpKind::activate:
      return k.activate(op.activation, a, n, out);
    case RowOpKind::gate:
      return k.gate(op.activation, a, op.b->row(r), n, out);
    case RowOpKind::add:
      return k.add_scaled(a, op.b->row(r), op.scale, n, out);
    case RowOpKind::softcap:
      return k.softcap(a, op.scale, n, out);
    case RowOpKind::scale:
      for (int64_t i = 0; i < n; ++i) out[i] = a[i] * op.scale;
      return;
    case RowOpKind::add_position: {
      const int64_t p = chunk.position[static_cast<size_t>(r)] + op.position_offset;
      return k.add_scaled(a, op.weight + p * n, 1, n, out);
    }
    case RowOpKind::add_row:
      return k.add_scaled(a, op.weight, 1, n, out);
    case RowOpKind::take_wanted:
      std::memcpy(out, op.a->row(chunk.wanted[static_cast<size_t>(r)]),
                  static_cast<size_t>(n) * sizeof(float));
      return;
    case RowOpKind::append:
      return append_entry(op, chunk, r);
    case RowOpKind::quantise:
      return;  // by tiles, below
  }
}

}  // namespace

void RowStage::run(Crew& crew, const Chunk& chunk) {
  const Kernels& k = kernels();
  const int64_t rows = wanted_ ? static_cast<int64_t>(chunk.wanted.size()) : chunk.rows;
  const Share share = share_of(rows, crew.thread, crew.size(), kTileTokens);
  for (int64_t t = share.begin; t < share.end; t += kTileTokens) {
    const int64_t end = std::min(t + kTileTokens, share.end);
    for (const RowOp& op : ops) {
      if (op.kind == RowOpKind::quantise) {
        k.quantise(op.tiles->activations, op.a->row(t), op.a->stride, end - t, op.a->width,
                   op.tiles->data + t / kTileTokens * op.tiles->tile_stride);
        continue;
      }
      for (int64_t r = t; r < end; ++r) run_row(k, op, chunk, r);
    }
  }
}

}  // namespace tessera
