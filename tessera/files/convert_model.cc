#include "tessera/files/convert_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/hash.h"
#include "tessera/base/pool.h"
#include "tessera/files/block_grid.h"
#include "tessera/files/gguf_writer.h"
#include "tessera/files/quantise.h"

namespace tessera {
namespace {

// Elements that are converted at once: whole rows, some megabytes.
constexpr int64_t kPortion = int64_t{1} << 20;

bool is_table(std::string_view name) {
  return name == "token_embd.weight" || name == "output.weight";
}

// Chooses experts: small, and a rounded one chooses others.
bool is_router(std::string_view name) { return name.ends_with("ffn_gate_inp.weight"); }

int64_t elements(const GgufTensor& t) {
  int64_t n = 1;
  for (const int64_t size : t.shape) n *= size;
  return n;
}

bool is_matrix(std::span<const int64_t> shape) {
  return shape.size() > 1 && std::ranges::count_if(shape, [](int64_t n) { return n > 1; }) > 1;
}

bool is_number(DType type) {
  return type != DType::i8 && type != DType::i16 && type != DType::i32 && type != DType::i64;
}

DType new_type(const GgufTensor& t, DType asked) {
  return written_type(t.name, t.shape, t.type, asked);
}

struct Sums {
  double error = 0, size = 0;
};

// One tensor, portion by portion.
class Converter {
 public:
  Converter(const GgufFile& file, GgufWriter& writer, const Rounding& rounding)
      : file_(file), writer_(writer), rounding_(rounding) {}

  // Gives the hash of what was written.
  uint64_t run(const GgufTensor& t, DType type, Sums& sums) {
    Hash64 hash;
    const int64_t all = elements(t);
    const int64_t each = std::max<int64_t>(1, kPortion / t.shape[0]) * t.shape[0];
    const bool rounds = rounding_ && type != t.type && has_grid(type);
    // A portion stays within one of the matrices that lie in a tensor.
    const int64_t matrix = t.shape[0] * (t.shape.size() > 1 ? t.shape[1] : 1);
    for (int64_t at = 0, n = 0; at < all; at += n) {
      n = std::min(each, rounds ? matrix - at % matrix : all - at);
      if (!rounds) {
        rounder_ = nullptr;
      } else if (at % matrix == 0) {
        rounder_ = rounding_(t.name, at / matrix);
      }
      const auto stored = t.data.subspan(static_cast<size_t>(bytes_of(t.type, at)),
                                         static_cast<size_t>(bytes_of(t.type, n)));
      std::span<const std::byte> out = stored;
      if (is_number(t.type)) {
        out_.resize(static_cast<size_t>(bytes_of(type, n)));
        const double before = sums.error;
        convert(t, type, stored, at, n, sums);
        // What keeps its type keeps its bytes.
        if (type == t.type) {
          sums.error = before;
        } else {
          out = out_;
        }
      }
      hash.add({reinterpret_cast<const char*>(out.data()), out.size()});
      writer_.write(out);
    }
    file_.release(t.data);
    return hash.value();
  }

 private:
  void convert(const GgufTensor& t, DType type, std::span<const std::byte> stored, int64_t first,
               int64_t n, Sums& sums) {
    values_.resize(static_cast<size_t>(n));
    back_.resize(static_cast<size_t>(n));
    const int64_t rows = n / t.shape[0];
    const auto part = [](auto& all, DType kind, const Share& s, int64_t width) {
      const auto begin = static_cast<size_t>(bytes_of(kind, s.begin * width));
      return std::span(all).subspan(begin,
                                    static_cast<size_t>(bytes_of(kind, s.end * width)) - begin);
    };
    Pool::instance().run([&](int64_t thread, Team& team) {
      const Share s = share_of(rows, thread, team.size());
      const int64_t w = t.shape[0];
      const auto values = std::span(values_).subspan(static_cast<size_t>(s.begin * w),
                                                     static_cast<size_t>((s.end - s.begin) * w));
      const auto back = std::span(back_).subspan(static_cast<size_t>(s.begin * w), values.size());
      if (values.empty()) return;
      dequantise(t.type, part(stored, t.type, s, w), values);
      if (type == t.type ||
          !std::ranges::all_of(values, [](float x) { return std::isfinite(x); })) {
        std::ranges::copy(values, back.begin());
        return;
      }
      const auto out = part(out_, type, s, w);
      if (rounder_) {
        rounder_(type, values, out);
      } else {
        quantise(type, values, out);
      }
      dequantise(type, out, back);
    });
    for (size_t i = 0; i < values_.size(); ++i) {
      // A number may also be too large for the new type.
      if (!std::isfinite(values_[i]) || !std::isfinite(back_[i])) {
        throw Error(fmt::format("{}: {}", file_.path(), std::string(t.name)),
                    fmt::format("row {}, column {} is {}, and {} as {}",
                                (first + static_cast<int64_t>(i)) / t.shape[0],
                                (first + static_cast<int64_t>(i)) % t.shape[0], values_[i],
                                back_[i], std::string(layout_of(type).name)),
                    "These weights are damaged, or need a type with more range: bf16 or f32.");
      }
      const double off = static_cast<double>(values_[i]) - back_[i];
      sums.error += off * off;
      sums.size += static_cast<double>(values_[i]) * values_[i];
    }
  }

  const GgufFile& file_;
  GgufWriter& writer_;
  const Rounding& rounding_;
  RowRounder rounder_;
  std::vector<float> values_, back_;
  std::vector<std::byte> out_;
};

// Whether `path` holds what was written.
void compare(const std::string& path, const GgufFile& old, DType type,
             const std::vector<uint64_t>& hashes) {
  const GgufFile fresh(path);
  for (size_t i = 0; i < old.tensors().size(); ++i) {
    const GgufTensor& want = old.tensors()[i];
    const GgufTensor* got = fresh.tensor(want.name);
    if (!got || got->shape != want.shape || got->type != new_type(want, type) ||
        hash_of({reinterpret_cast<const char*>(got->data.data()), got->data.size()}) != hashes[i]) {
      throw Error(path, "reads back otherwise than it was written: " + std::string(want.name),
                  "Check the disk.");
    }
  }
}

}  // namespace

namespace {

// For rows that are no multiple of 256.
DType in_small_blocks(DType type) {
  if (type == DType::q4_k) return DType::q5_0;
  if (type == DType::q5_k) return DType::q5_1;
  return type == DType::q6_k ? DType::q8_0 : type;
}

}  // namespace

DType written_type(std::string_view name, std::span<const int64_t> shape, DType stored,
                   DType asked) {
  if (!is_matrix(shape) || !is_number(stored) || is_router(name)) return stored;
  const auto whole = [&](DType t) { return shape[0] % layout_of(t).block_elements == 0; };
  const bool below_eight = layout_of(asked).block_bytes < layout_of(asked).block_elements;
  DType type = is_table(name) && below_eight ? DType::q8_0 : asked;
  if (!whole(type)) type = in_small_blocks(type);
  return whole(type) ? type : stored;
}

uint32_t file_type_number(DType type) {
  constexpr std::array<std::pair<DType, uint32_t>, 11> numbers = {{{DType::f32, 0},
                                                                   {DType::f16, 1},
                                                                   {DType::q4_0, 2},
                                                                   {DType::q4_1, 3},
                                                                   {DType::q8_0, 7},
                                                                   {DType::q5_0, 8},
                                                                   {DType::q5_1, 9},
                                                                   {DType::q4_k, 14},
                                                                   {DType::q5_k, 16},
                                                                   {DType::q6_k, 18},
                                                                   {DType::bf16, 32}}};
  const auto* found = std::ranges::find(numbers, type, &std::pair<DType, uint32_t>::first);
  return found == numbers.end() ? 0 : found->second;
}

void expect_written(DType type) {
  if (can_quantise(type)) return;
  std::string list;
  for (const DType t : writable_types()) {
    list.append(list.empty() ? "" : ", ").append(layout_of(t).name);
  }
  throw Error("type " + std::string(layout_of(type).name), "is read, but not written",
              "Take one of " + list + ".");
}

Retyped retype_gguf(const GgufFile& file, const std::string& path, const RetypeOptions& options) {
  expect_written(options.type);
  Retyped out;
  GgufWriter writer(path);
  for (const GgufEntry& e : file.entries()) {
    if (e.key != "general.file_type" && e.key != "general.quantization_version" &&
        !e.key.starts_with("split.")) {
      writer.copy(e);
    }
  }
  writer.set("general.file_type", file_type_number(options.type));
  writer.set("general.quantization_version", uint32_t{2});
  for (const GgufTensor& t : file.tensors()) {
    const DType type = new_type(t, options.type);
    writer.declare(t.name, type, t.shape);
    ++out.tensors;
    if (type != t.type) ++out.changed;
    out.bytes_before += t.data.size();
    out.bytes += static_cast<uint64_t>(bytes_of(type, elements(t)));
  }
  Converter converter(file, writer, options.rounding);
  Sums sums;
  std::vector<uint64_t> hashes;
  hashes.reserve(file.tensors().size());
  for (const GgufTensor& t : file.tensors()) {
    hashes.push_back(converter.run(t, new_type(t, options.type), sums));
    if (options.progress) options.progress(static_cast<int64_t>(t.data.size()));
  }
  writer.finish();
  try {
    compare(path, file, options.type, hashes);
  } catch (...) {
    static_cast<void>(std::remove(path.c_str()));
    throw;
  }
  out.error = sums.size > 0 ? std::sqrt(sums.error / sums.size) : 0;
  return out;
}

}  // namespace tessera
