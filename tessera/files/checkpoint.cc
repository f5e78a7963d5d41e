#include "tessera/files/checkpoint.h"

#include <algorithm>
#include <cassert>

#include "tessera/files/quantise.h"
#include "tessera/files/stored_tensor.h"

namespace tessera {

std::string shape_text(std::span<const int64_t> shape) {
  std::string out = "[";
  for (int64_t size : shape) out += (out.size() > 1 ? ", " : "") + std::to_string(size);
  return out + "]";
}

void read_row(const Parameter& p, int64_t r, std::span<float> out) {
  assert(r >= 0 && r < p.rows && out.size() == static_cast<size_t>(p.columns));
  const int64_t row = p.row_map.empty() ? r : p.row_map[static_cast<size_t>(r)];
  if (!p.transposed) {
    const int64_t size = bytes_of(p.type, p.columns);
    dequantise(p.type, p.data.subspan(static_cast<size_t>(row * size), static_cast<size_t>(size)),
               out);
    return;
  }
  const int64_t size = layout_of(p.type).block_bytes;
  for (int64_t i = 0; i < p.columns; ++i) {
    auto at = static_cast<size_t>((i * p.stored_rows + row) * size);
    dequantise(p.type, p.data.subspan(at, static_cast<size_t>(size)),
               out.subspan(static_cast<size_t>(i), 1));
  }
}

std::vector<float> read_all(const Parameter& p) {
  const auto columns = static_cast<size_t>(p.columns);
  std::vector<float> out(static_cast<size_t>(p.rows) * columns);
  if (p.transposed) {
    // Column by column of the result: the order in which the file has it.
    std::vector<float> stored(static_cast<size_t>(p.stored_rows));
    const auto size = static_cast<size_t>(bytes_of(p.type, p.stored_rows));
    for (size_t i = 0; i < columns; ++i) {
      dequantise(p.type, p.data.subspan(i * size, size), stored);
      for (size_t r = 0; r < static_cast<size_t>(p.rows); ++r) {
        out[r * columns + i] = stored[p.row_map.empty() ? r : static_cast<size_t>(p.row_map[r])];
      }
    }
    return out;
  }
  for (int64_t r = 0; r < p.rows; ++r) {
    read_row(p, r, std::span(out).subspan(static_cast<size_t>(r) * columns, columns));
  }
  return out;
}

}  // namespace tessera
