#include "tessera/files/export_gguf.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <numbers>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/files/assemble.h"
#include "tessera/files/description_fields.h"
#include "tessera/files/gguf_model.h"
#include "tessera/files/gguf_writer.h"
#include "tessera/files/same_model.h"

namespace tessera {
namespace {

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

// Names of llama.cpp's kinds of tokens.
constexpr int32_t kNormal = 1, kUnused = 5;
constexpr float kUnusedScore = -1000;

// The vocabulary's tokens, and unused ones for the rows that its model's table has behind them.
void set_padded_tokens(GgufWriter& writer, const GgufFile& vocabulary, int64_t rows) {
  std::vector<std::string_view> texts = vocabulary.strings("tokenizer.ggml.tokens");
  const size_t own = texts.size(), size = static_cast<size_t>(rows);
  std::vector<std::string> names;
  for (size_t id = own; id < size; ++id) names.push_back(fmt::format("[PAD{}]", id));
  texts.insert(texts.end(), names.begin(), names.end());
  std::vector<int32_t> types;
  for (const float type : vocabulary.numbers("tokenizer.ggml.token_type")) {
    types.push_back(static_cast<int32_t>(type));
  }
  types.resize(own, kNormal);
  types.resize(size, kUnused);
  writer.set("tokenizer.ggml.tokens", std::span<const std::string_view>(texts));
  writer.set("tokenizer.ggml.token_type", std::span<const int32_t>(types));
  std::vector<float> scores = vocabulary.numbers("tokenizer.ggml.scores");
  if (scores.empty()) return;
  scores.resize(size, kUnusedScore);
  writer.set("tokenizer.ggml.scores", std::span<const float>(scores));
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
  set_padded_tokens(writer, vocabulary, d.vocabulary);
  for (const GgufEntry& e : vocabulary.entries()) {
    const bool own = e.key == "tokenizer.chat_template" && !model.chat_template.empty();
    const bool padded = e.key == "tokenizer.ggml.tokens" || e.key == "tokenizer.ggml.token_type" ||
                        e.key == "tokenizer.ggml.scores";
    if (e.key.starts_with("tokenizer.") && !own && !padded) writer.copy(e);
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

bool same(double a, double b) { return static_cast<float>(a) == static_cast<float>(b); }

// Whether `back` holds the factors that llama3 scaling of `d` comes back as.
bool holds_factors(const ModelDescription& d, const RopeScaling& back) {
  return std::ranges::equal(back.long_factors, llama3_factors(d),
                            [](double x, float y) { return same(x, static_cast<double>(y)); });
}

// As differing_field, but llama3 scaling may come back as one factor a frequency.
std::string lost_field(ModelDescription source, ModelDescription back) {
  if (source.rope_scaling.kind == ScalingKind::llama3) {
    if (!holds_factors(source, back.rope_scaling)) return "rope_scaling of llama3";
    source.rope_scaling = back.rope_scaling = {};
  }
  return differing_field(source, back);
}

// Opens what was written and compares it with its source.
void compare(const std::string& path, const ModelFiles& model, const std::vector<Export>& exports) {
  const GgufModel fresh = open_gguf_model(std::make_shared<const GgufFile>(path), {});
  const std::string lost = lost_field(without_idle_windows(model), fresh.description);
  if (!lost.empty()) {
    throw Error(model.path, fmt::format("has a {}, which GGUF's metadata cannot say", lost),
                "Keep it as safetensors.");
  }
  std::vector<WrittenParameter> written;
  written.reserve(exports.size());
  for (const Export& e : exports) written.push_back({e.name, e.place, e.is_bias, e.type, e.source});
  compare_rows(path, *fresh.checkpoint, written);
}

}  // namespace

Retyped export_gguf(const ModelFiles& model, const std::function<std::string()>& vocabulary_file,
                    const std::string& path, const RetypeOptions& options) {
  expect_written(options.type);
  const Architecture& a = architecture_of(model);
  const ModelDescription d = without_idle_windows(model);
  const GgufFile vocabulary(vocabulary_file());
  const auto tokens = vocabulary.find("tokenizer.ggml.tokens");
  const auto* list = tokens ? std::get_if<GgufArray>(&*tokens) : nullptr;
  if (!list || static_cast<int64_t>(list->count) > d.vocabulary) {
    throw Error(model.path,
                fmt::format("has a table of {} rows and a vocabulary of {} tokens", d.vocabulary,
                            list ? list->count : 0),
                "GGUF needs a row for each; this one is not written.");
  }
  const std::vector<Export> exports = exports_of(model, a, options.type);
  Retyped out;
  RoundingSums sums;
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
      write_rows(
          model.path + ": " + e.source.tensor, e.type, e.source.rows, e.source.columns,
          [&](int64_t begin, int64_t end, std::span<float> to) { read_rows(e, begin, end, to); },
          [&](std::span<const std::byte> bytes) { writer.write(bytes); }, sums);
      model.checkpoint->release(e.source);
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
