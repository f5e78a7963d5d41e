#include "tessera/network/weights.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/pool.h"
#include "tessera/kernels/finite.h"

namespace tessera {
namespace {

// How the packer reaches a row: pointers into the file, unless a row has to be converted first.
bool rows_are_plain(const Parameter& p) {
  return !p.transposed && (takes_quantised(packing_of(p.type)) || p.type == DType::f32 ||
                           p.type == DType::f16 || p.type == DType::bf16);
}

void pack(const Parameter& p, Packing packing, int64_t group, std::byte* out,
          std::vector<float>& scratch) {
  const int64_t first = group * kGroupRows;
  const int64_t count = std::min(kGroupRows, p.rows - first);
  if (rows_are_plain(p)) {
    const std::byte* rows[kGroupRows];
    const int64_t row_bytes = bytes_of(p.type, p.columns);
    for (int64_t r = 0; r < count; ++r) {
      const int64_t stored =
          p.row_map.empty() ? first + r : p.row_map[static_cast<size_t>(first + r)];
      rows[r] = p.data.data() + stored * row_bytes;
    }
    pack_group(p.type, packing, {rows, static_cast<size_t>(count)}, p.columns, out);
    return;
  }
  scratch.resize(static_cast<size_t>(count * p.columns));
  const float* rows[kGroupRows];
  for (int64_t r = 0; r < count; ++r) {
    float* row = scratch.data() + r * p.columns;
    read_row(p, first + r, {row, static_cast<size_t>(p.columns)});
    rows[r] = row;
  }
  pack_group_f32({rows, static_cast<size_t>(count)}, p.columns, reinterpret_cast<float*>(out));
}

}  // namespace

int64_t Weights::declare(const Checkpoint& checkpoint, const Place& place) {
  for (size_t i = 0; i < places_.size(); ++i) {
    const Place& p = places_[i];
    if (p.part == place.part && p.layer == place.layer && p.expert == place.expert) {
      return static_cast<int64_t>(i);
    }
  }
  Entry e;
  e.parameter = checkpoint.weight(place);
  const Packing packing = e.parameter.transposed ? Packing::f32 : packing_of(e.parameter.type);
  e.matrix = {packing, e.parameter.rows, e.parameter.columns, nullptr};
  entries_.push_back(std::move(e));
  places_.push_back(place);
  return static_cast<int64_t>(entries_.size()) - 1;
}

void Weights::load(const Checkpoint& checkpoint) {
  int64_t bytes = 0;
  std::vector<int64_t> offsets;
  for (Entry& e : entries_) {
    offsets.push_back(bytes);
    bytes += (packed_bytes(e.matrix.packing, e.matrix.rows, e.matrix.columns) + 63) / 64 * 64;
  }
  buffer_ = BigBuffer(bytes);
  for (size_t i = 0; i < entries_.size(); ++i)
    entries_[i].matrix.data = buffer_.data() + offsets[i];
  // The first group that is not finite, whichever thread meets it: matrix * 2^32 + group.
  constexpr uint64_t kNone = ~uint64_t{0};
  std::atomic<uint64_t> spoilt{kNone};
  std::atomic<size_t> next{0};
  Pool::instance().run([&](int64_t, Team&) {
    std::vector<float> scratch;
    for (size_t i; (i = next++) < entries_.size();) {
      const Entry& e = entries_[i];
      for (int64_t g = 0; g < e.matrix.groups(); ++g) {
        std::byte* group = buffer_.data() + offsets[i] + g * e.matrix.group_bytes();
        pack(e.parameter, e.matrix.packing, g, group, scratch);
        if (is_finite_group(e.matrix.packing, e.matrix.columns, group)) continue;
        const uint64_t here = static_cast<uint64_t>(i) << 32 | static_cast<uint64_t>(g);
        for (uint64_t first = spoilt; here < first && !spoilt.compare_exchange_weak(first, here);) {
        }
      }
      checkpoint.release(e.parameter);
    }
  });
  if (spoilt == kNone) return;
  const Entry& e = entries_[spoilt >> 32];
  const auto row = static_cast<int64_t>(spoilt & 0xFFFFFFFF) * kGroupRows;
  throw Error(e.parameter.tensor,
              fmt::format("holds a value that is not finite, in rows {} to {}", row,
                          std::min(row + kGroupRows, e.matrix.rows) - 1),
              "The file is damaged, or its training diverged.");
}

const float* Weights::vector(const Parameter& p) {
  std::vector<float> values = read_all(p);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw Error(p.tensor, "value " + std::to_string(i) + " is not finite",
                  "The file is damaged, or its training diverged.");
    }
  }
  values.resize((values.size() + 15) / 16 * 16);
  vectors_.push_back(std::move(values));
  return vectors_.back().data();
}

}  // namespace tessera
