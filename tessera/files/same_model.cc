#include "tessera/files/same_model.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <span>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/hash.h"
#include "tessera/base/pool.h"
#include "tessera/files/description_fields.h"
#include "tessera/files/quantise.h"

namespace tessera {
namespace {

constexpr int64_t kPortion = int64_t{1} << 20;  // elements that are converted at once

// Every field but the family by its name, numbers as the metadata keep them.
std::vector<std::pair<std::string, std::string>> fields(const ModelDescription& d) {
  std::vector<std::pair<std::string, std::string>> out;
  visit_fields(d, [&](std::string_view name, const auto& field) {
    using Field = std::decay_t<decltype(field)>;
    std::string text;
    if constexpr (std::is_enum_v<Field>) {
      text = spelling(field);
    } else if constexpr (std::is_same_v<Field, double>) {
      text = fmt::format("{}", static_cast<float>(field));
    } else {
      text = fmt::format("{}", field);
    }
    if (name != "family") out.emplace_back(name, std::move(text));
  });
  for (size_t i = 0; i < d.layer.size(); ++i) {
    const LayerDescription& l = d.layer[i];
    out.emplace_back(fmt::format("layer {}", i),
                     fmt::format("{} {} {} {}", l.rotary, static_cast<float>(l.rope_theta),
                                 l.rope_scaled, l.window));
  }
  return out;
}

bool all_finite(std::span<const float> values) {
  return std::ranges::all_of(values, [](float x) { return std::isfinite(x); });
}

}  // namespace

std::string differing_field(const ModelDescription& a, const ModelDescription& b) {
  ModelDescription source = a, back = b;
  // Without scaling there is nothing that the original context could change.
  if (a.rope_scaling.kind == ScalingKind::none && b.rope_scaling.kind == ScalingKind::none) {
    source.rope_scaling = back.rope_scaling = {};
  }
  const auto want = fields(source), got = fields(back);
  for (size_t i = 0; i < want.size(); ++i) {
    if (i >= got.size() || want[i] != got[i]) {
      return fmt::format("{} of {}", want[i].first, want[i].second);
    }
  }
  return "";
}

int64_t sampling_step(int64_t rows) { return std::max<int64_t>(1, rows / 64); }

uint64_t hash_of_row(std::span<const float> row) {
  return hash_of({reinterpret_cast<const char*>(row.data()), row.size_bytes()});
}

void compare_rows(const std::string& path, const Checkpoint& fresh,
                  const std::vector<WrittenParameter>& written) {
  std::vector<float> want, got;
  std::vector<std::byte> bytes;
  for (const WrittenParameter& w : written) {
    const Parameter p = w.is_bias ? fresh.bias(w.place) : fresh.weight(w.place);
    const auto columns = static_cast<size_t>(w.source.columns);
    want.resize(columns);
    got.resize(columns);
    bytes.resize(static_cast<size_t>(bytes_of(w.type, w.source.columns)));
    const int64_t step = sampling_step(w.source.rows);
    bool equal = p.rows == w.source.rows && p.columns == w.source.columns;
    for (int64_t r = 0; equal && r < w.source.rows; r += step) {
      read_row(p, r, got);
      if (!w.rounded.empty()) {
        equal = hash_of_row(got) == w.rounded[static_cast<size_t>(r / step)];
        continue;
      }
      read_row(w.source, r, want);
      quantise(w.type, want, bytes);
      dequantise(w.type, bytes, want);
      equal = want == got;
    }
    if (!equal) {
      throw Error(path, "reads back otherwise than it was written: " + w.name, "Check the disk.");
    }
  }
}

void write_rows(const RowJob& job, RoundingSums& sums) {
  const DType type = job.type;
  const int64_t columns = job.columns;
  const int64_t each = std::max<int64_t>(1, kPortion / columns);
  std::vector<float> values, back;
  std::vector<std::byte> bytes;
  for (int64_t first = 0; first < job.rows; first += each) {
    const int64_t n = std::min(each, job.rows - first);
    values.resize(static_cast<size_t>(n * columns));
    back.resize(values.size());
    bytes.resize(static_cast<size_t>(bytes_of(type, n * columns)));
    std::atomic<bool> finite{true};
    Pool::instance().run([&](int64_t thread, Team& team) {
      const Share s = share_of(n, thread, team.size());
      if (s.begin >= s.end) return;
      const auto begin = static_cast<size_t>(s.begin * columns);
      const auto count = static_cast<size_t>((s.end - s.begin) * columns);
      const auto part = std::span(values).subspan(begin, count);
      const auto again = std::span(back).subspan(begin, count);
      const auto at = static_cast<size_t>(bytes_of(type, s.begin * columns));
      const auto out =
          std::span(bytes).subspan(at, static_cast<size_t>(bytes_of(type, s.end * columns)) - at);
      job.read(first + s.begin, first + s.end, part);
      if (all_finite(part)) {
        if (job.round) {
          job.round(type, part, out);
        } else {
          quantise(type, part, out);
        }
        dequantise(type, out, again);
        if (all_finite(again)) return;
      }
      finite = false;
    });
    if (!finite) {
      throw Error(job.where,
                  fmt::format("holds a value, in rows {} to {}, that is not finite as {}", first,
                              first + n - 1, std::string(layout_of(type).name)),
                  "These weights are damaged, or need a type with more range: bf16 or f32.");
    }
    for (size_t i = 0; i < values.size(); ++i) {
      const double off = static_cast<double>(values[i]) - back[i];
      sums.error += off * off;
      sums.size += static_cast<double>(values[i]) * values[i];
    }
    const auto width = static_cast<size_t>(columns);
    for (int64_t r = 0; job.wrote && r < n; ++r) {
      job.wrote(first + r, std::span(back).subspan(static_cast<size_t>(r) * width, width));
    }
    job.write(bytes);
  }
}

}  // namespace tessera
