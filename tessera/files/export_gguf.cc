#include "tessera/files/export_gguf.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <numbers>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/pool.h"
#include "tessera/files/assemble.h"
#include "tessera/files/description_fields.h"
#include "tessera/files/gguf_model.h"
#include "tessera/files/gguf_writer.h"
#include "tessera/files/quantise.h"

namespace tessera {
namespace {

constexpr int64_t kPortion = int64_t{1} << 20;  // elements that are converted at once

struct Architecture {
  std::string_view family, name;
  bool interleaved;  // rows of rotated heads in the order 0, h/2, 1, h/2 + 1, ..
};
constexpr Architecture kArchitectures[] = {{"llama", "llama", true},     {"mistral", "llama", true},
                                           {"smollm3", "smollm3", true}, {"qwen2", "qwen2", false},
                                           {"qwen3", "qwen3", false},    {"olmo2", "olmo2", false}};

const Architecture& architecture_of(const ModelFiles& model) {
  std::string list;
  for (const Architecture& a : kArchitectures) {
    if (a.family == model.description.family && model.description.experts == 0) return a;
    list += (list.empty() ? "" : ", ") + std::string(a.family);
  }
  throw Error(model.path,
              "is of the family " + model.description.family +
                  (model.description.experts > 0 ? " with experts" : "") +
                  ", which is not written as GGUF",
              "These are, without experts: " + list + ".");
}

// llama.cpp heeds attention.sliding_window in none of these architectures: a model whose window is
// shorter than its context would answer otherwise there.
ModelDescription without_idle_windows(const ModelFiles& model) {
  ModelDescription d = model.description;
  for (LayerDescription& l : d.layer) {
    if (l.window > 0 && l.window < d.context) {
      throw Error(model.path,
                  fmt::format("has a sliding window of {} tokens, which programs that read GGUF "
                              "leave out for this architecture",
                              l.window),
                  "Keep it as safetensors.");
    }
    l.window = 0;
  }
  return d;
}

struct Name {
  Part part;
  std::string_view name;
};
constexpr Name kNames[] = {{Part::token_embedding, "token_embd"},
                           {Part::final_norm, "output_norm"},
                           {Part::output, "output"},
                           {Part::attention_norm, "blk.{}.attn_norm"},
                           {Part::query, "blk.{}.attn_q"},
                           {Part::key, "blk.{}.attn_k"},
                           {Part::value, "blk.{}.attn_v"},
                           {Part::query_norm, "blk.{}.attn_q_norm"},
                           {Part::key_norm, "blk.{}.attn_k_norm"},
                           {Part::attention_output, "blk.{}.attn_output"},
                           {Part::attention_output_norm, "blk.{}.post_attention_norm"},
                           {Part::ffn_norm, "blk.{}.ffn_norm"},
                           {Part::gate, "blk.{}.ffn_gate"},
                           {Part::up, "blk.{}.ffn_up"},
                           {Part::down, "blk.{}.ffn_down"},
                           {Part::ffn_output_norm, "blk.{}.post_ffw_norm"}};

// One tensor of the new file.
struct Export {
  std::string name;
  Place place;
  bool is_bias = false;
  Parameter source;
  DType type = DType::f32;
  int64_t rotated_head = 0;  // width of heads whose rows are reordered; 0: none

  std::vector<int64_t> shape() const {
    return source.rows == 1 ? std::vector{source.columns}
                            : std::vector{source.columns, source.rows};
  }
  // The source's row, or a vector's element, that comes at `r`.
  int64_t at(int64_t r) const {
    if (rotated_head == 0) return r;
    const int64_t in_head = r % rotated_head;
    return r - in_head + in_head % 2 * (rotated_head / 2) + in_head / 2;
  }
};

std::vector<Export> exports_of(const ModelFiles& model, const Architecture& a, DType type) {
  const ModelDescription& d = model.description;
  std::vector<Export> out;
  const auto add = [&](std::string name, const Place& place, bool is_bias, Parameter source) {
    if (!source.present()) return;
    Export e{std::move(name), place, is_bias, std::move(source)};
    const bool rotates = place.part == Part::query || place.part == Part::key;
    if (rotates && a.interleaved) e.rotated_head = d.head_width;
    e.type = written_type(e.name, e.shape(), DType::f32, type);
    out.push_back(std::move(e));
  };
  const auto add_part = [&](const Name& n, int64_t layer) {
    if (shape_of(d, n.part, layer).rows == 0) return;
    const std::string name = fmt::format(fmt::runtime(n.name), layer);
    const Place place{n.part, layer};
    add(name + ".weight", place, false, model.checkpoint->weight(place));
    add(name + ".bias", place, true, model.checkpoint->bias(place));
  };
  for (const Name& n : kNames) {
    if (!in_layers(n.part)) add_part(n, -1);
  }
  for (int64_t layer = 0; layer < d.layers; ++layer) {
    for (const Name& n : kNames) {
      if (in_layers(n.part)) add_part(n, layer);
    }
  }
  return out;
}

// What llama.cpp divides the frequencies by, one number a pair (Llama 3's scaling by parts).
std::vector<float> llama3_factors(const ModelDescription& d) {
  const RopeScaling& s = d.rope_scaling;
  std::vector<float> out;
  for (int64_t i = 0; i < d.rotary_width / 2; ++i) {
    const double frequency = std::pow(
        d.layer[0].rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(d.rotary_width));
    const double turns =
        static_cast<double>(s.original_context) * frequency / (2 * std::numbers::pi);
    const double smooth =
        std::clamp((turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor), 0., 1.);
    out.push_back(static_cast<float>(1 / ((1 - smooth) / s.factor + smooth)));
  }
  return out;
}

void set_metadata(GgufWriter& writer, const ModelFiles& model, const Architecture& a,
                  const GgufFile& vocabulary, DType type) {
  const ModelDescription& d = model.description;
  writer.set("general.architecture", a.name);
  writer.set("general.file_type", file_type_number(type));
  writer.set("general.quantization_version", uint32_t{2});
  const auto key = [&](std::string_view name) { return fmt::format("{}.{}", a.name, name); };
  const auto set = [&](std::string_view name, int64_t value) {
    writer.set(key(name), static_cast<uint32_t>(value));
  };
  set("block_count", d.layers);
  set("context_length", d.context);
  set("embedding_length", d.width);
  set("feed_forward_length", d.ffn_width);
  set("attention.head_count", d.heads);
  set("attention.head_count_kv", d.kv_heads);
  set("attention.key_length", d.head_width);
  set("attention.value_length", d.head_width);
  set("rope.dimension_count", d.rotary_width);
  set("vocab_size", d.vocabulary);
  writer.set(key("attention.layer_norm_rms_epsilon"), static_cast<float>(d.norm_epsilon));
  writer.set(key("rope.freq_base"), static_cast<float>(d.layer[0].rope_theta));
  const RopeScaling& s = d.rope_scaling;
  if (s.kind == ScalingKind::linear || s.kind == ScalingKind::yarn) {
    writer.set(key("rope.scaling.type"), spelling(s.kind));
    writer.set(key("rope.scaling.factor"), static_cast<float>(s.factor));
    set("rope.scaling.original_context_length", s.original_context);
  }
  for (const GgufEntry& e : vocabulary.entries()) {
    const bool own = e.key == "tokenizer.chat_template" && !model.chat_template.empty();
    if (e.key.starts_with("tokenizer.") && !own) writer.copy(e);
  }
  if (!model.chat_template.empty()) writer.set("tokenizer.chat_template", model.chat_template);
}

// Rows `begin` to `end` of the new tensor, in fp32.   out [(end - begin) * columns]
void read_rows(const Export& e, int64_t begin, int64_t end, std::span<float> out) {
  const auto columns = static_cast<size_t>(e.source.columns);
  if (e.source.rows > 1) {
    for (int64_t r = begin; r < end; ++r) {
      read_row(e.source, e.at(r), out.subspan(static_cast<size_t>(r - begin) * columns, columns));
    }
    return;
  }
  std::vector<float> values(columns);
  read_row(e.source, 0, values);
  for (size_t i = 0; i < columns; ++i) {
    out[i] = values[static_cast<size_t>(e.at(static_cast<int64_t>(i)))];
  }
}

struct Sums {
  double error = 0, size = 0;
};

void write_tensor(const ModelFiles& model, const Export& e, GgufWriter& writer, Sums& sums) {
  const int64_t columns = e.source.columns;
  const int64_t each = std::max<int64_t>(1, kPortion / columns);
  std::vector<float> values, back;
  std::vector<std::byte> bytes;
  for (int64_t first = 0; first < e.source.rows; first += each) {
    const int64_t rows = std::min(each, e.source.rows - first);
    values.resize(static_cast<size_t>(rows * columns));
    back.resize(values.size());
    bytes.resize(static_cast<size_t>(bytes_of(e.type, rows * columns)));
    std::atomic<bool> finite{true};
    Pool::instance().run([&](int64_t thread, Team& team) {
      const Share s = share_of(rows, thread, team.size());
      if (s.begin >= s.end) return;
      const auto part = std::span(values).subspan(static_cast<size_t>(s.begin * columns),
                                                  static_cast<size_t>((s.end - s.begin) * columns));
      const auto begin = static_cast<size_t>(bytes_of(e.type, s.begin * columns));
      const auto out = std::span(bytes).subspan(
          begin, static_cast<size_t>(bytes_of(e.type, s.end * columns)) - begin);
      const auto again =
          std::span(back).subspan(static_cast<size_t>(s.begin * columns), part.size());
      read_rows(e, first + s.begin, first + s.end, part);
      const auto sound = [](std::span<const float> all) {
        return std::ranges::all_of(all, [](float x) { return std::isfinite(x); });
      };
      if (sound(part)) {
        quantise(e.type, part, out);
        dequantise(e.type, out, again);
        if (sound(again)) return;
      }
      finite = false;
    });
    if (!finite) {
      throw Error(model.path + ": " + e.source.tensor,
                  fmt::format("holds a value, in rows {} to {}, that is not finite as {}", first,
                              first + rows - 1, std::string(layout_of(e.type).name)),
                  "These weights are damaged, or need a type with more range: bf16 or f32.");
    }
    for (size_t i = 0; i < values.size(); ++i) {
      const double off = static_cast<double>(values[i]) - back[i];
      sums.error += off * off;
      sums.size += static_cast<double>(values[i]) * values[i];
    }
    writer.write(bytes);
  }
  model.checkpoint->release(e.source);
}

bool same(double a, double b) { return static_cast<float>(a) == static_cast<float>(b); }

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

// Whether `back` holds the factors that llama3 scaling of `d` comes back as.
bool holds_factors(const ModelDescription& d, const RopeScaling& back) {
  return std::ranges::equal(back.long_factors, llama3_factors(d),
                            [](double x, float y) { return same(x, static_cast<double>(y)); });
}

// The first field in which the two networks differ; "" for none.
std::string lost_field(ModelDescription source, ModelDescription back) {
  RopeScaling& scaling = source.rope_scaling;
  if (scaling.kind == ScalingKind::llama3) {
    if (!holds_factors(source, back.rope_scaling)) return "rope_scaling";
    scaling = back.rope_scaling = {};
  }
  // Without scaling there is nothing that the original context could change.
  if (scaling.kind == ScalingKind::none && back.rope_scaling.kind == ScalingKind::none) {
    scaling = back.rope_scaling = {};
  }
  const auto want = fields(source), got = fields(back);
  for (size_t i = 0; i < want.size(); ++i) {
    if (i >= got.size() || want[i] != got[i]) {
      return fmt::format("{} of {}", want[i].first, want[i].second);
    }
  }
  return "";
}

// Opens what was written and compares it with its source.
void compare(const std::string& path, const ModelFiles& model, const std::vector<Export>& exports) {
  const auto file = std::make_shared<const GgufFile>(path);
  const GgufModel fresh = open_gguf_model(file, {});
  if (const std::string lost = lost_field(without_idle_windows(model), fresh.description);
      !lost.empty()) {
    throw Error(model.path, fmt::format("has a {}, which GGUF's metadata cannot say", lost),
                "Keep it as safetensors.");
  }
  std::vector<float> want, got;
  std::vector<std::byte> bytes;
  for (const Export& e : exports) {
    const Parameter p =
        e.is_bias ? fresh.checkpoint->bias(e.place) : fresh.checkpoint->weight(e.place);
    const auto columns = static_cast<size_t>(e.source.columns);
    want.resize(columns);
    got.resize(columns);
    bytes.resize(static_cast<size_t>(bytes_of(e.type, e.source.columns)));
    const int64_t step = std::max<int64_t>(1, e.source.rows / 64);
    bool equal = p.rows == e.source.rows && p.columns == e.source.columns;
    for (int64_t r = 0; equal && r < e.source.rows; r += step) {
      read_row(e.source, r, want);
      quantise(e.type, want, bytes);
      dequantise(e.type, bytes, want);
      read_row(p, r, got);
      equal = want == got;
    }
    if (!equal) {
      throw Error(path, "reads back otherwise than it was written: " + e.name, "Check the disk.");
    }
  }
}

}  // namespace

Retyped export_gguf(const ModelFiles& model, const GgufFile& vocabulary, const std::string& path,
                    const RetypeOptions& options) {
  expect_written(options.type);
  const Architecture& a = architecture_of(model);
  const ModelDescription d = without_idle_windows(model);
  const auto tokens = vocabulary.find("tokenizer.ggml.tokens");
  const auto* list = tokens ? std::get_if<GgufArray>(&*tokens) : nullptr;
  if (!list || static_cast<int64_t>(list->count) != d.vocabulary) {
    throw Error(model.path,
                fmt::format("has a table of {} rows and a vocabulary of {} tokens", d.vocabulary,
                            list ? list->count : 0),
                "GGUF needs as many; this one is not written.");
  }
  const std::vector<Export> exports = exports_of(model, a, options.type);
  Retyped out;
  Sums sums;
  const std::string unchecked = path + ".unchecked";
  {
    GgufWriter writer(unchecked);
    set_metadata(writer, model, a, vocabulary, options.type);
    std::vector<float> factors;
    if (d.rope_scaling.kind == ScalingKind::llama3) {
      factors = llama3_factors(d);
      const std::array<int64_t, 1> shape = {static_cast<int64_t>(factors.size())};
      writer.declare("rope_freqs.weight", DType::f32, shape);
    }
    for (const Export& e : exports) {
      writer.declare(e.name, e.type, e.shape());
      ++out.tensors;
      const int64_t n = e.source.rows * e.source.columns;
      if (e.type != e.source.type) ++out.changed;
      out.bytes_before += static_cast<uint64_t>(bytes_of(e.source.type, n));
      out.bytes += static_cast<uint64_t>(bytes_of(e.type, n));
    }
    if (!factors.empty()) writer.write(std::as_bytes(std::span(factors)));
    for (const Export& e : exports) {
      write_tensor(model, e, writer, sums);
      if (options.progress) {
        options.progress(bytes_of(e.source.type, e.source.rows * e.source.columns));
      }
    }
    writer.finish();
  }
  try {
    compare(unchecked, model, exports);
    std::filesystem::rename(unchecked, path);
  } catch (...) {
    static_cast<void>(std::remove(unchecked.c_str()));
    throw;
  }
  out.error = sums.size > 0 ? std::sqrt(sums.error / sums.size) : 0;
  return out;
}

}  // namespace tessera
