#include <map>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/tessera/human.h"
#include "apps/tessera/verb.h"
#include "tessera/files/description_fields.h"
#include "tessera/files/memory_plan.h"
#include "tessera/files/model.h"

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;

struct InspectOptions {
  CommonOptions common;
  std::string reference;
  int64_t context = 0;
};

// Adds the fields that differ from what a description has when nothing is said.
struct FieldWriter {
  Json& out;
  void operator()(std::string_view name, const auto& value) const {
    if constexpr (std::is_enum_v<std::decay_t<decltype(value)>>) {
      out[std::string(name)] = spelling(value);
    } else {
      out[std::string(name)] = value;
    }
  }
};

struct TypeTotal {
  int64_t count = 0, bytes = 0;
};

std::map<std::string, TypeTotal> totals(const ModelFiles& model) {
  std::map<std::string, TypeTotal> out;
  for (const StoredTensor& t : model.tensors) {
    TypeTotal& total = out[std::string(layout_of(t.type).name)];
    ++total.count;
    total.bytes += static_cast<int64_t>(t.data.size());
  }
  return out;
}

int64_t parameters(const ModelFiles& model) {
  int64_t sum = 0;
  for (const StoredTensor& t : model.tensors) {
    int64_t elements = 1;
    for (int64_t size : t.shape) elements *= size;
    sum += elements;
  }
  return sum;
}

// What is known of the tokenizer without building it.
Json tokenizer_of(const ModelFiles& model) {
  Json out;
  if (model.gguf) {
    out["format"] = "gguf";
    out["model"] = model.gguf->string("tokenizer.ggml.model").value_or("");
    out["pre"] = model.gguf->string("tokenizer.ggml.pre").value_or("");
    out["tokens"] = model.gguf->strings("tokenizer.ggml.tokens").size();
  } else if (!model.tokenizer_json.empty()) {
    out["format"] = "tokenizer.json";
    out["path"] = model.tokenizer_json;
  } else {
    return nullptr;
  }
  return out;
}

Json memory_of(const MemoryPlan& plan) {
  return {{"program", plan.program},
          {"weights", plan.weights},
          {"mapped", plan.mapped},
          {"cache_per_token", plan.cache_per_token},
          {"scratch", plan.scratch},
          {"context", plan.context},
          {"peak", plan.peak},
          {"available", plan.available},
          {"longest_context", plan.longest_context}};
}

void print_json(const ModelFiles& model, const MemoryPlan& plan) {
  const ModelDescription& d = model.description;
  Json out;
  out["reference"] = model.reference;
  out["path"] = model.path;
  out["format"] = model.format;
  out["family"] = d.family;
  out["parameters"] = parameters(model);
  out["context"] = d.context;
  Json features;
  visit_fields(d, FieldWriter{features});
  Json windows = Json::array(), unrotated = Json::array();
  for (size_t i = 0; i < d.layer.size(); ++i) {
    windows.push_back(d.layer[i].window);
    if (!d.layer[i].rotary) unrotated.push_back(i);
  }
  features["windows"] = windows;
  features["layers_without_positions"] = unrotated;
  features["rope_theta"] = d.layer.back().rope_theta;
  out["features"] = features;
  Json types = Json::array();
  for (const auto& [type, total] : totals(model)) {
    types.push_back({{"type", type}, {"tensors", total.count}, {"bytes", total.bytes}});
  }
  out["tensors"] = types;
  out["tokenizer"] = tokenizer_of(model);
  out["chat_template"] = !model.chat_template.empty();
  out["stop_ids"] = model.generation.stop_ids;
  out["inert"] = model.inert;
  out["memory"] = memory_of(plan);
  // A file's strings may hold any bytes.
  fmt::print("{}\n", out.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string attention_text(const ModelDescription& d) {
  std::string out = fmt::format("{} heads of {}", d.heads, d.head_width);
  if (d.kv_heads != d.heads) out += fmt::format(", {} key-value heads", d.kv_heads);
  int64_t windowed = 0, window = 0;
  for (const LayerDescription& layer : d.layer) {
    windowed += layer.window > 0;
    window = std::max(window, layer.window);
  }
  if (windowed > 0) {
    out += fmt::format(", window of {} in {} of {} layers", grouped(window), windowed, d.layers);
  }
  return out;
}

std::string position_text(const ModelDescription& d) {
  std::string out(spelling(d.position));
  if (d.position != PositionKind::rope) return out;
  out += fmt::format(", base {:g}", d.layer.back().rope_theta);
  if (d.rotary_width != d.head_width) out += fmt::format(", {} dimensions", d.rotary_width);
  if (d.rope_scaling.kind != ScalingKind::none) {
    out += fmt::format(", {} x {:g}", spelling(d.rope_scaling.kind), d.rope_scaling.factor);
  }
  return out;
}

std::string ffn_text(const ModelDescription& d) {
  std::string out = fmt::format("{}{} of {}", d.gated ? "gated " : "", spelling(d.activation),
                                grouped(d.ffn_width));
  if (d.experts > 0) out += fmt::format(", {} of {} experts", d.experts_used, d.experts);
  return out;
}

std::string tokenizer_text(const ModelFiles& model) {
  if (!model.gguf) return model.tokenizer_json.empty() ? "none" : "tokenizer.json";
  Json t = tokenizer_of(model);
  return fmt::format("{} / {}, {} tokens", t["model"].get<std::string>(),
                     t["pre"].get<std::string>(), grouped(t["tokens"].get<int64_t>()));
}

void line(const char* name, const std::string& text) { fmt::print("{:<12} {}\n", name, text); }

void print_table(const ModelFiles& model, const MemoryPlan& plan) {
  const ModelDescription& d = model.description;
  line("file", model.path);
  line("format", model.format);
  line("family", fmt::format("{} ({}), {} parameters", d.family, d.decoder ? "decoder" : "encoder",
                             grouped(parameters(model))));
  line("shape", fmt::format("{} layers of width {}, vocabulary of {}", d.layers, grouped(d.width),
                            grouped(d.vocabulary)));
  line("attention", attention_text(d));
  line("positions", position_text(d));
  line("feed-forward", ffn_text(d));
  line("norm", fmt::format("{}, epsilon {:g}", spelling(d.norm), d.norm_epsilon));
  if (d.pooling != Pooling::none) {
    line("pooling",
         fmt::format("{}{}", spelling(d.pooling), d.pooled_normalised ? ", normalised" : ""));
  }
  const RopeScaling& scaling = d.rope_scaling;
  const bool two_windows =
      scaling.kind == ScalingKind::longrope && scaling.original_context < d.context;
  line("context", fmt::format("{} tokens{}", grouped(d.context),
                              two_windows ? fmt::format(", without --ctx {}",
                                                        grouped(scaling.original_context))
                                          : ""));
  line("tokenizer", tokenizer_text(model));
  if (!model.chat_template.empty()) line("chat", "has a template");
  const char* label = "tensors";
  for (const auto& [type, total] : totals(model)) {
    line(label,
         fmt::format("{:<7} {:>6} tensors {:>10}", type, total.count, human_bytes(total.bytes)));
    label = "";
  }
  fmt::print("\nmemory\n");
  line("  program", fmt::format("{:>10}", human_bytes(plan.program)));
  line("  weights", fmt::format("{:>10}", human_bytes(plan.weights)));
  line("  mapped",
       fmt::format("{:>10}   embedding rows and metadata, in the file", human_bytes(plan.mapped)));
  line("  scratch", fmt::format("{:>10}", human_bytes(plan.scratch)));
  if (d.decoder) {
    line("  cache",
         fmt::format("{:>10}   {} tokens at {}", human_bytes(plan.context * plan.cache_per_token),
                     grouped(plan.context), human_bytes(plan.cache_per_token)));
  }
  line("  peak",
       fmt::format("{:>10}   of {} free", human_bytes(plan.peak), human_bytes(plan.available)));
  if (d.decoder)
    line("  fits", fmt::format("{:>10} tokens of context", grouped(plan.longest_context)));
}

int inspect(const InspectOptions& options) {
  std::string reference = options.reference;
  if (reference.empty()) reference = model_reference(options.common);
  ModelFiles model =
      open_model(reference, {.weights = true, .assume_inert = options.common.assume_inert});
  MemoryPlan plan = plan_memory(model, options.context, available_memory());
  if (options.common.json) {
    print_json(model, plan);
  } else {
    print_table(model, plan);
  }
  return kDone;
}

}  // namespace

Verb verb_inspect() {
  return {"inspect", "what a model is and what running it takes, before anything is loaded",
          [](CLI::App& app) {
            auto options = std::make_shared<InspectOptions>();
            teach(app, "  tessera inspect smollm2");
            app.add_option("reference", options->reference,
                           "model: a file, a folder, a name that `tessera models` lists, or "
                           "org/name [$TESSERA_MODEL, else smollm2]")
                ->type_name("REF");
            add_model(app, options->common);
            app.add_option("--context,--ctx", options->context,
                           "tokens to plan memory for [the trained context]")
                ->type_name("N")
                ->check(CLI::Range(int64_t{1}, int64_t{1} << 31));
            add_json(app, options->common);
            return [options] { return inspect(*options); };
          }};
}

}  // namespace tessera::cli
