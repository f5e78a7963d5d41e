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
#include "tessera/files/block_grid.h"
#include "tessera/files/description_fields.h"
#include "tessera/files/gguf_model.h"
#include "tessera/files/gguf_writer.h"
#include "tessera/files/same_model.h"

namespace tessera {
namespace {

// How llama.cpp stores and reads a family.
struct Architecture {
  std::string_view family, name;
  bool interleaved = false;     // rows of rotated heads in the order 0, h/2, 1, h/2 + 1, ..
  bool experts = false;         // whether its mixtures are written
  bool windows = false;         // whether attention.sliding_window is heeded
  bool norms_plus_one = false;  // norms are stored with the 1 that the network adds to them
  bool fused = false;           // q, k and v in one tensor, gate and up in another
};
constexpr Architecture kArchitectures[] = {
    {.family = "llama", .name = "llama", .interleaved = true},
    {.family = "mistral", .name = "llama", .interleaved = true},
    {.family = "mixtral", .name = "llama", .interleaved = true, .experts = true},
    {.family = "smollm3", .name = "smollm3", .interleaved = true},
    {.family = "qwen2", .name = "qwen2"},
    {.family = "qwen3", .name = "qwen3"},
    {.family = "gemma", .name = "gemma", .norms_plus_one = true},
    {.family = "gemma2", .name = "gemma2", .windows = true, .norms_plus_one = true},
    {.family = "gemma3_text", .name = "gemma3", .windows = true, .norms_plus_one = true},
    {.family = "phi3", .name = "phi3", .fused = true},
    {.family = "olmo2", .name = "olmo2"}};

const Architecture& architecture_of(const ModelFiles& model) {
  const ModelDescription& d = model.description;
  std::string list;
  for (const Architecture& a : kArchitectures) {
    if (a.family == d.family && a.experts == (d.experts > 0)) return a;
    list += (list.empty() ? "" : ", ") + std::string(a.family);
  }
  throw Error(model.path,
              "is of the family " + d.family + (d.experts > 0 ? " with experts" : "") +
                  ", which is not written as GGUF",
              "These are: " + list + ".");
}

// The description that a program which reads GGUF ends up with. A window that it leaves out must
// not be shorter than the context: the model would answer otherwise there.
ModelDescription as_read(const ModelFiles& model, const Architecture& a) {
  ModelDescription d = model.description;
  for (LayerDescription& l : d.layer) {
    if (a.windows) break;
    if (l.window > 0 && l.window < d.context) {
      throw Error(model.path,
                  fmt::format("has a sliding window of {} tokens, which programs that read GGUF "
                              "leave out for this architecture",
                              l.window),
                  "Keep it as safetensors.");
    }
    l.window = 0;
  }
  if (a.norms_plus_one) d.norm_weight_offset = 0;
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
                           {Part::router, "blk.{}.ffn_gate_inp"},
                           {Part::gate, "blk.{}.ffn_gate"},
                           {Part::up, "blk.{}.ffn_up"},
                           {Part::down, "blk.{}.ffn_down"},
                           {Part::ffn_output_norm, "blk.{}.post_ffw_norm"}};

// One of the matrices (or vectors) that lie one after the other in a tensor of the new file.
struct Piece {
  Place place;
  bool is_bias = false;
  Parameter source;
  int64_t rotated_head = 0;            // width of heads whose rows are reordered; 0: none
  float added = 0;                     // to every value
  std::vector<uint64_t> rounded = {};  // as WrittenParameter has it

  // The source's row, or a vector's element, that comes at `r`.
  int64_t at(int64_t r) const {
    if (rotated_head == 0) return r;
    const int64_t in_head = r % rotated_head;
    return r - in_head + in_head % 2 * (rotated_head / 2) + in_head / 2;
  }
};

// One tensor of the new file.
struct Export {
  std::string name;
  std::vector<int64_t> shape;  // fastest first
  DType type = DType::f32;
  std::vector<Piece> pieces;

  int64_t elements() const {
    int64_t n = 1;
    for (const int64_t size : shape) n *= size;
    return n;
  }
};

bool is_of_experts(const ModelDescription& d, Part part, int64_t layer) {
  return layer >= 0 && d.layer[static_cast<size_t>(layer)].experts &&
         (part == Part::gate || part == Part::up || part == Part::down);
}

// Collects the tensors of the new file in llama.cpp's order of layers.
class Exports {
 public:
  Exports(const ModelFiles& model, const Architecture& a, DType type)
      : model_(model), a_(a), type_(type) {}

  std::vector<Export> all() && {
    for (const Name& n : kNames) {
      if (!in_layers(n.part)) add(n, -1);
    }
    for (int64_t layer = 0; layer < model_.description.layers; ++layer) {
      for (const Name& n : kNames) {
        if (in_layers(n.part)) add(n, layer);
      }
    }
    return std::move(out_);
  }

 private:
  void add(const Name& n, int64_t layer) {
    if (shape_of(model_.description, n.part, layer).rows == 0) return;
    const std::string name = fmt::format(fmt::runtime(n.name), layer);
    if (a_.fused && (n.part == Part::query || n.part == Part::gate)) {
      n.part == Part::query
          ? add(fmt::format("blk.{}.attn_qkv", layer), {Part::query, Part::key, Part::value}, layer)
          : add(fmt::format("blk.{}.ffn_up", layer), {Part::gate, Part::up}, layer);
    } else if (a_.fused && (n.part == Part::key || n.part == Part::value || n.part == Part::up)) {
      return;  // with the query, with the gate
    } else {
      add(name, {n.part}, layer);
    }
  }

  void add(const std::string& name, std::initializer_list<Part> parts, int64_t layer) {
    const ModelDescription& d = model_.description;
    Export weight, bias;
    for (const Part part : parts) {
      const bool experts = is_of_experts(d, part, layer);
      for (int64_t e = 0; e < (experts ? d.experts : 1); ++e) {
        const Place place{part, layer, experts ? e : -1};
        weight.pieces.push_back(piece(place, false, model_.checkpoint->weight(place)));
        bias.pieces.push_back(piece(place, true, model_.checkpoint->bias(place)));
      }
    }
    const bool stacked = is_of_experts(d, *parts.begin(), layer);
    finish(name + (stacked ? "_exps.weight" : ".weight"), stacked, std::move(weight));
    // Mixtures add none; a file that has some is refused when it is opened.
    if (!stacked) finish(name + ".bias", stacked, std::move(bias));
  }

  Piece piece(const Place& place, bool is_bias, Parameter source) const {
    Piece p{place, is_bias, std::move(source)};
    const bool rotates = place.part == Part::query || place.part == Part::key;
    if (rotates && a_.interleaved) p.rotated_head = model_.description.head_width;
    if (is_norm(place.part) && !is_bias && a_.norms_plus_one) {
      p.added = static_cast<float>(model_.description.norm_weight_offset);
    }
    return p;
  }

  void finish(std::string name, bool stacked, Export e) {
    const size_t present = static_cast<size_t>(
        std::ranges::count_if(e.pieces, [](const Piece& p) { return p.source.present(); }));
    if (present == 0) return;
    if (present < e.pieces.size()) {
      throw Error(model_.path,
                  fmt::format("has only {} of the {} parts of {}", present, e.pieces.size(), name),
                  "Keep it as safetensors.");
    }
    const bool vectors = e.pieces[0].source.rows == 1;
    int64_t rows = 0;
    for (const Piece& p : e.pieces) rows += vectors ? p.source.columns : p.source.rows;
    e.name = std::move(name);
    if (!vectors) e.shape.push_back(e.pieces[0].source.columns);
    e.shape.push_back(stacked ? rows / static_cast<int64_t>(e.pieces.size()) : rows);
    if (stacked) e.shape.push_back(static_cast<int64_t>(e.pieces.size()));
    e.type = written_type(e.name, e.shape, DType::f32, type_);
    out_.push_back(std::move(e));
  }

  const ModelFiles& model_;
  const Architecture& a_;
  DType type_;
  std::vector<Export> out_;
};

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

void set_metadata(GgufWriter& writer, const ModelFiles& model, const ModelDescription& d,
                  const Architecture& a, const GgufFile& vocabulary, DType type) {
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
  if (d.experts > 0) {
    set("expert_count", d.experts);
    set("expert_used_count", d.experts_used);
  }
  const auto number = [&](std::string_view name, double value) {
    writer.set(key(name), static_cast<float>(value));
  };
  number("attention.layer_norm_rms_epsilon", d.norm_epsilon);
  if (d.attention_softcap != 0) number("attn_logit_softcapping", d.attention_softcap);
  if (d.logit_softcap != 0) number("final_logit_softcapping", d.logit_softcap);
  // Gemma 3 has a base of its own for the layers that see a window.
  const auto global = std::ranges::find(d.layer, 0, &LayerDescription::window);
  number("rope.freq_base", (global == d.layer.end() ? d.layer[0] : *global).rope_theta);
  if (a.windows) {
    const auto sliding = std::ranges::find_if(d.layer, [](auto& l) { return l.window > 0; });
    if (sliding != d.layer.end()) {
      set("attention.sliding_window", sliding->window);
      if (!sliding->rope_scaled) number("rope.freq_base_swa", sliding->rope_theta);
    }
  }
  const RopeScaling& s = d.rope_scaling;
  if (s.kind == ScalingKind::linear || s.kind == ScalingKind::yarn) {
    writer.set(key("rope.scaling.type"), spelling(s.kind));
    number("rope.scaling.factor", s.factor);
    set("rope.scaling.original_context_length", s.original_context);
  } else if (s.kind == ScalingKind::longrope) {
    set("rope.scaling.original_context_length", s.original_context);
    if (s.attention_factor != 0) number("rope.scaling.attn_factor", s.attention_factor);
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

// Rows `begin` to `end` of a piece as they are written.   out [(end - begin) * columns]
void read_rows(const Piece& p, int64_t begin, int64_t end, std::span<float> out) {
  const auto columns = static_cast<size_t>(p.source.columns);
  if (p.source.rows > 1) {
    for (int64_t r = begin; r < end; ++r) {
      read_row(p.source, p.at(r), out.subspan(static_cast<size_t>(r - begin) * columns, columns));
    }
    return;
  }
  std::vector<float> values(columns);
  read_row(p.source, 0, values);
  for (size_t i = 0; i < columns; ++i) {
    out[i] = values[static_cast<size_t>(p.at(static_cast<int64_t>(i)))] + p.added;
  }
}

void write_piece(const ModelFiles& model, DType type, Piece& p, const Rounding& rounding,
                 GgufWriter& writer, RoundingSums& sums) {
  RowJob job{.where = model.path + ": " + p.source.tensor,
             .type = type,
             .rows = p.source.rows,
             .columns = p.source.columns,
             .read = {},
             .write = [&](std::span<const std::byte> bytes) { writer.write(bytes); }};
  job.read = [&](int64_t begin, int64_t end, std::span<float> to) { read_rows(p, begin, end, to); };
  if (rounding && has_grid(type)) {
    job.round = rounding(p.source.tensor, std::max<int64_t>(0, p.place.expert));
  }
  // What is no rounding of the source's own row is compared with what was written.
  if (job.round || p.added != 0) {
    const int64_t step = sampling_step(p.source.rows);
    p.rounded.resize(static_cast<size_t>((p.source.rows + step - 1) / step));
    job.wrote = [&p, step](int64_t row, std::span<const float> back) {
      const int64_t from = p.source.rows > 1 ? p.at(row) : row;
      if (from % step == 0) p.rounded[static_cast<size_t>(from / step)] = hash_of_row(back);
    };
  }
  write_rows(job, sums);
}

bool same(double a, double b) { return static_cast<float>(a) == static_cast<float>(b); }

// Whether `back` holds the factors that llama3 scaling of `d` comes back as.
bool holds_factors(const ModelDescription& d, const RopeScaling& back) {
  return std::ranges::equal(back.long_factors, llama3_factors(d),
                            [](double x, float y) { return same(x, static_cast<double>(y)); });
}

// As differing_field, but llama3 scaling may come back as one factor a frequency.
std::string lost_field(ModelDescription source, ModelDescription back) {
  RopeScaling& want = source.rope_scaling;
  if (want.kind == ScalingKind::longrope && want.kind == back.rope_scaling.kind) {
    // Factors are kept in fp32, and the formula's factor of attention is written out.
    for (auto* factors : {&want.short_factors, &want.long_factors}) {
      for (double& f : *factors) f = static_cast<float>(f);
    }
    if (want.attention_factor == 0) want.attention_factor = back.rope_scaling.attention_factor;
    want.factor = back.rope_scaling.factor;
  }
  if (source.rope_scaling.kind == ScalingKind::llama3) {
    if (!holds_factors(source, back.rope_scaling)) return "rope_scaling of llama3";
    source.rope_scaling = back.rope_scaling = {};
  }
  return differing_field(source, back);
}

// Opens what was written and compares it with its source.
void compare(const std::string& path, const ModelFiles& model, const ModelDescription& d,
             std::vector<Export>&& exports) {
  const GgufModel fresh = open_gguf_model(std::make_shared<const GgufFile>(path), {});
  const std::string lost = lost_field(d, fresh.description);
  if (!lost.empty()) {
    throw Error(model.path, fmt::format("has a {}, which GGUF's metadata cannot say", lost),
                "Keep it as safetensors.");
  }
  std::vector<WrittenParameter> written;
  written.reserve(exports.size());
  for (Export& e : exports) {
    for (Piece& p : e.pieces) {
      written.push_back(
          {e.name, p.place, p.is_bias, e.type, std::move(p.source), std::move(p.rounded)});
    }
  }
  compare_rows(path, *fresh.checkpoint, written);
}

}  // namespace

Retyped export_gguf(const ModelFiles& model, const std::function<std::string()>& vocabulary_file,
                    const std::string& path, const RetypeOptions& options) {
  expect_written(options.type);
  const Architecture& a = architecture_of(model);
  const ModelDescription d = as_read(model, a);
  const GgufFile vocabulary(vocabulary_file());
  const auto tokens = vocabulary.find("tokenizer.ggml.tokens");
  const auto* list = tokens ? std::get_if<GgufArray>(&*tokens) : nullptr;
  if (!list || static_cast<int64_t>(list->count) > d.vocabulary) {
    throw Error(model.path,
                fmt::format("has a table of {} rows and a vocabulary of {} tokens", d.vocabulary,
                            list ? list->count : 0),
                "GGUF needs a row for each; this one is not written.");
  }
  std::vector<Export> exports = Exports(model, a, options.type).all();
  Retyped out;
  RoundingSums sums;
  const std::string unchecked = path + ".unchecked";
  {
    GgufWriter writer(unchecked);
    set_metadata(writer, model, d, a, vocabulary, options.type);
    std::vector<std::pair<std::string_view, std::vector<float>>> factors;
    if (d.rope_scaling.kind == ScalingKind::llama3) {
      factors.emplace_back("rope_freqs.weight", llama3_factors(d));
    } else if (d.rope_scaling.kind == ScalingKind::longrope) {
      const RopeScaling& s = d.rope_scaling;
      factors.emplace_back("rope_factors_long.weight",
                           std::vector<float>(s.long_factors.begin(), s.long_factors.end()));
      factors.emplace_back("rope_factors_short.weight",
                           std::vector<float>(s.short_factors.begin(), s.short_factors.end()));
    }
    for (const auto& [name, values] : factors) {
      const std::array<int64_t, 1> shape = {static_cast<int64_t>(values.size())};
      writer.declare(name, DType::f32, shape);
    }
    for (const Export& e : exports) {
      writer.declare(e.name, e.type, e.shape);
      ++out.tensors;
      if (e.type != e.pieces[0].source.type) ++out.changed;
      for (const Piece& p : e.pieces) {
        out.bytes_before +=
            static_cast<uint64_t>(bytes_of(p.source.type, p.source.rows * p.source.columns));
      }
      out.bytes += static_cast<uint64_t>(bytes_of(e.type, e.elements()));
    }
    for (const auto& [name, values] : factors) writer.write(std::as_bytes(std::span(values)));
    for (Export& e : exports) {
      for (Piece& p : e.pieces) {
        write_piece(model, e.type, p, options.rounding, writer, sums);
        model.checkpoint->release(p.source);
        if (options.progress) {
          options.progress(bytes_of(p.source.type, p.source.rows * p.source.columns));
        }
      }
    }
    writer.finish();
  }
  try {
    compare(unchecked, model, d, std::move(exports));
    std::filesystem::rename(unchecked, path);
  } catch (...) {
    static_cast<void>(std::remove(unchecked.c_str()));
    throw;
  }
  out.error = sums.size > 0 ? std::sqrt(sums.error / sums.size) : 0;
  return out;
}

}  // namespace tessera
