#include "tessera/files/export_folder.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <span>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tessera/base/atomic_file.h"
#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/files/assemble.h"
#include "tessera/files/description_fields.h"
#include "tessera/files/safetensors_writer.h"
#include "tessera/files/same_model.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Class {
  std::string_view family, name;
};
constexpr Class kClasses[] = {{"llama", "LlamaForCausalLM"},     {"mistral", "MistralForCausalLM"},
                              {"smollm3", "SmolLM3ForCausalLM"}, {"qwen2", "Qwen2ForCausalLM"},
                              {"qwen3", "Qwen3ForCausalLM"},     {"olmo2", "Olmo2ForCausalLM"}};

const Class& class_of(const ModelFiles& model) {
  std::string list;
  for (const Class& c : kClasses) {
    if (c.family == model.description.family && model.description.experts == 0) return c;
    list += (list.empty() ? "" : ", ") + std::string(c.family);
  }
  throw Error(model.path,
              "is of the family " + model.description.family +
                  (model.description.experts > 0 ? " with experts" : "") +
                  ", which is not written as safetensors",
              "These are, without experts: " + list + ".");
}

// The families rotate and norm as their names say; what else differs is found when the folder is
// opened again.
Json config_of(const ModelFiles& model, const Class& c, DType type, bool biases) {
  const ModelDescription& d = model.description;
  Json out;
  out["architectures"] = {c.name};
  out["model_type"] = c.family;
  out["vocab_size"] = d.vocabulary;
  out["hidden_size"] = d.width;
  out["intermediate_size"] = d.ffn_width;
  out["num_hidden_layers"] = d.layers;
  out["num_attention_heads"] = d.heads;
  out["num_key_value_heads"] = d.kv_heads;
  if (d.head_width * d.heads != d.width || c.family == "qwen3") out["head_dim"] = d.head_width;
  out["max_position_embeddings"] = d.context;
  out["hidden_act"] = spelling(d.activation);
  out["rms_norm_eps"] = static_cast<float>(d.norm_epsilon);
  out["rope_theta"] = static_cast<float>(d.layer[0].rope_theta);
  out["tie_word_embeddings"] = d.tied;
  const bool own_biases = c.family == "llama" || c.family == "qwen3" || c.family == "olmo2";
  if (own_biases && biases) out["attention_bias"] = true;
  if (c.family == "mistral" && d.layer[0].window == 0) out["sliding_window"] = nullptr;
  if (d.layer[0].window > 0) out["sliding_window"] = d.layer[0].window;
  const RopeScaling& s = d.rope_scaling;
  if (s.kind != ScalingKind::none) {
    Json& scaling = out["rope_scaling"] = {{"rope_type", spelling(s.kind)}, {"factor", s.factor}};
    if (s.original_context > 0) scaling["original_max_position_embeddings"] = s.original_context;
    if (s.kind == ScalingKind::llama3) {
      scaling["low_freq_factor"] = s.low_freq_factor;
      scaling["high_freq_factor"] = s.high_freq_factor;
    }
  }
  if (!model.generation.stop_ids.empty()) out["eos_token_id"] = model.generation.stop_ids;
  out["torch_dtype"] = type == DType::f32 ? "float32" : type == DType::f16 ? "float16" : "bfloat16";
  return out;
}

Json tokenizer_config_of(const ModelFiles& model) {
  Json out;
  out["tokenizer_class"] = "PreTrainedTokenizerFast";
  out["model_max_length"] = model.description.context;
  if (!model.bos_token.empty()) out["bos_token"] = model.bos_token;
  if (!model.eos_token.empty()) out["eos_token"] = model.eos_token;
  if (!model.chat_template.empty()) out["chat_template"] = model.chat_template;
  return out;
}

std::vector<WrittenParameter> parameters_of(const ModelFiles& model, DType type) {
  const ModelDescription& d = model.description;
  std::vector<WrittenParameter> out;
  for (int64_t layer = -1; layer < d.layers; ++layer) {
    for (const Part part : all_parts()) {
      if (in_layers(part) != (layer >= 0) || shape_of(d, part, layer).rows == 0) continue;
      const Place place{part, layer};
      if (Parameter p = model.checkpoint->weight(place); p.present()) {
        out.push_back({p.module + ".weight", place, false, type, std::move(p)});
      }
      if (Parameter p = model.checkpoint->bias(place); p.present()) {
        out.push_back({p.module + ".bias", place, true, type, std::move(p)});
      }
    }
  }
  return out;
}

std::vector<int64_t> shape_of_parameter(const WrittenParameter& w) {
  if (w.is_bias || is_norm(w.place.part)) return {w.source.columns};
  return {w.source.rows, w.source.columns};
}

std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void write_weights(const ModelFiles& model, const std::vector<WrittenParameter>& parameters,
                   const fs::path& path, const RetypeOptions& options, Retyped& out) {
  SafetensorsWriter writer(path.string());
  writer.set_metadata("format", "pt");
  for (const WrittenParameter& w : parameters) {
    writer.declare(w.name, w.type, shape_of_parameter(w));
    ++out.tensors;
    const int64_t n = w.source.rows * w.source.columns;
    if (w.type != w.source.type) ++out.changed;
    out.bytes_before += static_cast<uint64_t>(bytes_of(w.source.type, n));
    out.bytes += static_cast<uint64_t>(bytes_of(w.type, n));
  }
  RoundingSums sums;
  for (const WrittenParameter& w : parameters) {
    const Parameter& p = w.source;
    const auto columns = static_cast<size_t>(p.columns);
    RowJob job{.where = model.path + ": " + p.tensor,
               .type = w.type,
               .rows = p.rows,
               .columns = p.columns,
               .read = {},
               .write = [&](std::span<const std::byte> bytes) { writer.write(bytes); }};
    job.read = [&](int64_t begin, int64_t end, std::span<float> to) {
      for (int64_t r = begin; r < end; ++r) {
        read_row(p, r, to.subspan(static_cast<size_t>(r - begin) * columns, columns));
      }
    };
    write_rows(job, sums);
    model.checkpoint->release(p);
    if (options.progress) options.progress(bytes_of(p.type, p.rows * p.columns));
  }
  writer.finish();
  out.error = sums.size > 0 ? std::sqrt(sums.error / sums.size) : 0;
}

}  // namespace

Retyped export_folder(const ModelFiles& model, const std::function<std::string()>& tokenizer_json,
                      const std::string& folder, const RetypeOptions& options) {
  const DType type = options.type;
  if (type != DType::f32 && type != DType::f16 && type != DType::bf16) {
    throw Error("type " + std::string(layout_of(type).name), "is none that safetensors holds",
                "Take bf16, f16 or f32, or name a .gguf file.");
  }
  const Class& c = class_of(model);
  std::string bare = folder;
  while (bare.size() > 1 && bare.ends_with('/')) bare.pop_back();
  if (fs::exists(bare)) throw Error(bare, "is there already", "Name another folder.");
  const std::vector<WrittenParameter> parameters = parameters_of(model, type);
  const auto has_bias = [&](Part part) {
    return std::ranges::any_of(
        parameters, [&](const WrittenParameter& w) { return w.is_bias && w.place.part == part; });
  };
  const std::string tokenizer = tokenizer_json ? tokenizer_json() : "";
  const fs::path staged = bare + ".unchecked";
  Retyped out;
  try {
    fs::create_directory(staged);
    write_file((staged / "config.json").string(),
               text_of(config_of(model, c, type, has_bias(Part::query))));
    if (!tokenizer.empty()) {
      write_file((staged / "tokenizer_config.json").string(), text_of(tokenizer_config_of(model)));
      write_file((staged / "tokenizer.json").string(), MappedFile(tokenizer).text());
    }
    write_weights(model, parameters, staged / "model.safetensors", options, out);
    const ModelFiles fresh = open_model(staged.string());
    const std::string lost = differing_field(model.description, fresh.description);
    if (!lost.empty()) {
      throw Error(model.path,
                  fmt::format("has a {}, which a config.json of {} cannot say", lost, c.family),
                  "Keep it as it is.");
    }
    compare_rows(staged.string(), *fresh.checkpoint, parameters);
    fs::rename(staged, bare);
  } catch (const fs::filesystem_error& error) {
    std::error_code ignored;
    fs::remove_all(staged, ignored);
    throw Error(bare, error.code().message(), "Check the path and its permissions.");
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(staged, ignored);
    throw;
  }
  return out;
}

}  // namespace tessera
