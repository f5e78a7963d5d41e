#include <cmath>

#include "tessera/base/error.h"
#include "tessera/files/family.h"
#include "tessera/files/shown.h"

namespace tessera {
namespace {

// Sizes and norms that Llama and its relatives name alike.
void read_frame(const Config& c, ModelDescription& d) {
  d.vocabulary = c.required("vocab_size");
  d.width = c.required("hidden_size");
  set_layers(c, d, c.required("num_hidden_layers"));
  d.context = c.required("max_position_embeddings");
  d.heads = c.required("num_attention_heads");
  d.kv_heads = c.integer("num_key_value_heads").value_or(d.heads);
  if (d.heads <= 0) c.refuse("num_attention_heads", "is " + std::to_string(d.heads));
  auto head_width = c.integer("head_dim");
  if (!head_width && d.width % d.heads != 0) {
    c.refuse("hidden_size", "is no multiple of num_attention_heads");
  }
  d.head_width = head_width.value_or(d.width / d.heads);
  d.ffn_width = c.required("intermediate_size");
  d.norm = NormKind::rms;
}

void read_activation(const Config& c, ModelDescription& d, std::string_view key,
                     const std::string& standard) {
  d.activation = activation_named(c.string(key).value_or(standard), c.where());
}

// Biases are found in the file; the keys only announce them.
void read_llama_like(const Config& c, ModelDescription& d, double epsilon, double theta,
                     bool tied = false) {
  read_frame(c, d);
  read_activation(c, d, "hidden_act", "silu");
  d.norm_epsilon = c.number("rms_norm_eps").value_or(epsilon);
  d.tied = c.boolean("tie_word_embeddings").value_or(tied);
  c.boolean("attention_bias");
  c.boolean("mlp_bias");
  read_rope(c, d, theta);
}

// Windows by layer_types; where there are none, by `sliding(layer)`.
template <class Sliding>
void read_windows(const Config& c, ModelDescription& d, std::optional<int64_t> window,
                  Sliding sliding) {
  auto types = c.strings("layer_types");
  if (!types.empty() && types.size() != d.layer.size()) {
    c.refuse("layer_types", "has " + std::to_string(types.size()) + " entries for " +
                                std::to_string(d.layers) + " layers");
  }
  for (size_t i = 0; i < d.layer.size(); ++i) {
    bool slides = types.empty() ? sliding(static_cast<int64_t>(i)) : false;
    if (!types.empty()) {
      slides = types[i] == "sliding_attention";
      if (!slides && types[i] != "full_attention") {
        c.refuse("layer_types", "holds \"" + shown(types[i]) +
                                    "\"; Tessera serves full_attention, sliding_attention");
      }
    }
    if (!slides) continue;
    if (!window) c.refuse("sliding_window", "is missing, but a layer slides");
    if (*window <= 0) c.refuse("sliding_window", "is " + std::to_string(*window));
    d.layer[i].window = *window;
  }
}

void read_qwen(const Config& c, ModelDescription& d) {
  read_llama_like(c, d, 1e-6, 10000);
  auto window = c.integer("sliding_window");
  int64_t from = c.integer("max_window_layers").value_or(28);
  bool used = c.boolean("use_sliding_window").value_or(false);
  c.mark_used("use_mrope");
  read_windows(c, d, window, [&](int64_t i) { return used && window && i >= from; });
  // Without the switch transformers ignores the window, whatever layer_types say.
  if (!used) {
    for (LayerDescription& layer : d.layer) layer.window = 0;
  }
}

void read_gemma_like(const Config& c, ModelDescription& d) {
  read_frame(c, d);
  // "gelu" in old files means the tanh approximation that the models were trained with.
  auto old_name = c.string("hidden_act");
  std::string name = c.string("hidden_activation").value_or(old_name.value_or("gelu"));
  d.activation = activation_named(name == "gelu" ? "gelu_pytorch_tanh" : name, c.where());
  d.norm_epsilon = c.number("rms_norm_eps").value_or(1e-6);
  d.norm_weight_offset = 1;
  d.embedding_scale = std::sqrt(static_cast<double>(d.width));
  d.tied = c.boolean("tie_word_embeddings").value_or(true);
  c.boolean("attention_bias");
  c.expect("use_bidirectional_attention", false);
}

void read_gemma2_parts(const Config& c, ModelDescription& d) {
  d.norm_after = true;
  double scalar = c.number("query_pre_attn_scalar").value_or(256);
  if (!(scalar > 0)) c.refuse("query_pre_attn_scalar", "is " + std::to_string(scalar));
  d.attention_scale = 1 / std::sqrt(scalar);
}

void layer_norms(ModelDescription& d, double epsilon) {
  d.norm = NormKind::layer;
  d.norm_epsilon = epsilon;
  d.gated = false;
}

void split_heads(const Config& c, ModelDescription& d) {
  if (d.heads <= 0 || d.width % d.heads != 0) {
    c.refuse("hidden_size",
             "is " + std::to_string(d.width) + " for " + std::to_string(d.heads) + " heads");
  }
  d.head_width = d.width / d.heads;
  d.kv_heads = d.heads;
}

}  // namespace

void set_layers(const Config& c, ModelDescription& d, int64_t layers) {
  if (layers < 1 || layers > kMostLayers) {
    c.refuse("num_hidden_layers",
             "is " + std::to_string(layers) + "; it must be 1 to " + std::to_string(kMostLayers));
  }
  d.layers = layers;
  d.layer.resize(static_cast<size_t>(layers));
}

void describe_llama(const Config& c, ModelDescription& d) { read_llama_like(c, d, 1e-6, 10000); }

void describe_smollm3(const Config& c, ModelDescription& d) {
  read_llama_like(c, d, 1e-6, 2000000, true);
  auto rotary = c.integers("no_rope_layers");  // 1: this layer rotates
  int64_t interval = c.integer("no_rope_layer_interval").value_or(4);
  if (interval <= 0) c.refuse("no_rope_layer_interval", "is " + std::to_string(interval));
  if (!rotary.empty() && rotary.size() != d.layer.size()) {
    c.refuse("no_rope_layers", "has " + std::to_string(rotary.size()) + " entries for " +
                                   std::to_string(d.layers) + " layers");
  }
  for (size_t i = 0; i < d.layer.size(); ++i) {
    d.layer[i].rotary =
        rotary.empty() ? (static_cast<int64_t>(i) + 1) % interval != 0 : rotary[i] != 0;
  }
  bool used = c.boolean("use_sliding_window").value_or(false);
  auto window = c.integer("sliding_window");
  read_windows(c, d, window, [&](int64_t i) {
    return used && window && !d.layer[static_cast<size_t>(i)].rotary;
  });
}

void describe_mistral(const Config& c, ModelDescription& d) {
  read_llama_like(c, d, 1e-6, 10000);
  auto window = c.integer("sliding_window");
  read_windows(c, d, window, [&](int64_t) { return window.has_value(); });
}

void describe_mixtral(const Config& c, ModelDescription& d) {
  read_llama_like(c, d, 1e-5, 1000000);
  auto window = c.integer("sliding_window");
  read_windows(c, d, window, [&](int64_t) { return window.has_value(); });
  d.experts = c.integer("num_local_experts").value_or(8);
  d.experts_used = c.integer("num_experts_per_tok").value_or(2);
  for (LayerDescription& layer : d.layer) layer.experts = true;
}

void describe_qwen2(const Config& c, ModelDescription& d) { read_qwen(c, d); }

void describe_qwen3(const Config& c, ModelDescription& d) {
  read_qwen(c, d);
  if (!c.has("head_dim")) {
    d.head_width = 128;
    if (d.rotary_width != 0) d.rotary_width = 128;
  }
  d.query_key_norm = true;
}

void describe_gemma(const Config& c, ModelDescription& d) {
  read_gemma_like(c, d);
  read_rope(c, d, 10000);
}

void describe_gemma2(const Config& c, ModelDescription& d) {
  read_gemma_like(c, d);
  read_gemma2_parts(c, d);
  d.attention_softcap = c.number("attn_logit_softcapping").value_or(0);
  d.logit_softcap = c.number("final_logit_softcapping").value_or(0);
  read_rope(c, d, 10000);
  read_windows(c, d, c.integer("sliding_window").value_or(4096),
               [](int64_t i) { return i % 2 == 0; });
}

void describe_gemma3(const Config& c, ModelDescription& d) {
  read_gemma_like(c, d);
  read_gemma2_parts(c, d);
  d.query_key_norm = true;
  d.attention_softcap = c.number("attn_logit_softcapping").value_or(0);
  d.logit_softcap = c.number("final_logit_softcapping").value_or(0);
  auto pattern = c.integer("sliding_window_pattern");
  auto other_pattern = c.integer("_sliding_window_pattern");
  const int64_t every = pattern.value_or(other_pattern.value_or(6));
  if (every <= 0) c.refuse("sliding_window_pattern", "is " + std::to_string(every));
  read_windows(c, d, c.integer("sliding_window").value_or(4096),
               [&](int64_t i) { return (i + 1) % every != 0; });

  double local = c.number("rope_local_base_freq").value_or(10000);
  const auto parameters = c.object("rope_parameters");
  const bool by_kind = parameters && parameters->is_object("full_attention");
  if (auto full = by_kind ? parameters->object("full_attention") : std::nullopt) {
    auto sliding = parameters->object("sliding_attention").value_or(Config::empty(c.where()));
    if (sliding.string("rope_type").value_or("default") != "default") {
      sliding.refuse("rope_type", "scales the local layers, which Tessera does not serve");
    }
    local = sliding.number("rope_theta").value_or(local);
    // The object of the global layers read as if it stood alone.
    ModelDescription global = d;
    global.layer.resize(1);
    global.position = PositionKind::rope;
    read_rope_object(*full, global, 1000000);
    d.position = PositionKind::rope;
    d.rotary_width = global.rotary_width;
    d.rope_scaling = global.rope_scaling;
    for (LayerDescription& layer : d.layer) layer.rope_theta = global.layer[0].rope_theta;
    c.mark_used("rope_theta");
    c.mark_used("rope_scaling");
  } else {
    read_rope(c, d, 1000000);
  }
  for (LayerDescription& layer : d.layer) {
    if (layer.window == 0) continue;
    layer.rope_theta = local;
    layer.rope_scaled = false;
  }
}

void describe_phi3(const Config& c, ModelDescription& d) {
  read_llama_like(c, d, 1e-5, 10000);
  auto window = c.integer("sliding_window");
  read_windows(c, d, window, [&](int64_t) { return window.has_value(); });
}

void describe_olmo2(const Config& c, ModelDescription& d) {
  read_llama_like(c, d, 1e-5, 10000);
  d.norm_before = false;
  d.norm_after = true;
  d.query_key_norm_wide = true;
}

void describe_gpt2(const Config& c, ModelDescription& d) {
  d.vocabulary = c.required("vocab_size");
  d.width = c.integer_of({"n_embd", "hidden_size"}).value_or(0);
  d.heads = c.integer_of({"n_head", "num_attention_heads"}).value_or(0);
  set_layers(c, d, c.integer_of({"n_layer", "num_hidden_layers"}).value_or(0));
  d.context = c.integer_of({"n_positions", "max_position_embeddings", "n_ctx"}).value_or(1024);
  split_heads(c, d);
  d.ffn_width = c.integer("n_inner").value_or(d.width <= kMostWidth ? 4 * d.width : 0);
  layer_norms(d, c.number("layer_norm_epsilon").value_or(1e-5));
  read_activation(c, d, "activation_function", "gelu_new");
  if (!c.boolean("scale_attn_weights").value_or(true)) d.attention_scale = 1;
  c.expect("scale_attn_by_inverse_layer_idx", false);
  d.position = PositionKind::learned;
  d.position_rows = d.context;
  d.tied = c.boolean("tie_word_embeddings").value_or(true);
}

void describe_gpt_neox(const Config& c, ModelDescription& d) {
  read_frame(c, d);
  layer_norms(d, c.number("layer_norm_eps").value_or(1e-5));
  read_activation(c, d, "hidden_act", "gelu");
  d.parallel = c.boolean("use_parallel_residual").value_or(true);
  c.boolean("attention_bias");
  d.tied = c.boolean("tie_word_embeddings").value_or(false);
  double base = c.number("rotary_emb_base").value_or(10000);
  double share = c.number("rotary_pct").value_or(0.25);
  read_rope(c, d, base, share);
}

void describe_opt(const Config& c, ModelDescription& d) {
  d.vocabulary = c.required("vocab_size");
  d.width = c.required("hidden_size");
  d.heads = c.required("num_attention_heads");
  set_layers(c, d, c.required("num_hidden_layers"));
  split_heads(c, d);
  d.context = c.required("max_position_embeddings");
  d.ffn_width = c.required("ffn_dim");
  d.embedding_width = c.integer("word_embed_proj_dim").value_or(d.width);
  d.projection_first = true;
  layer_norms(d, 1e-5);
  read_activation(c, d, "activation_function", "relu");
  d.norm_before = c.boolean("do_layer_norm_before").value_or(true);
  d.norm_residual = !d.norm_before;
  const bool removed = c.boolean("_remove_final_layer_norm").value_or(false);
  d.final_norm = d.norm_before && !removed;
  c.boolean("enable_bias");
  c.expect("layer_norm_elementwise_affine", true);
  d.position = PositionKind::learned;
  d.position_offset = 2;
  // Sums must not overflow before check() has seen the parts.
  d.position_rows = d.context < (int64_t{1} << 31) ? d.context + 2 : 0;
  d.tied = c.boolean("tie_word_embeddings").value_or(true);
}

void describe_bloom(const Config& c, ModelDescription& d) {
  d.vocabulary = c.required("vocab_size");
  d.width = c.integer_of({"n_embed", "hidden_size"}).value_or(0);
  d.heads = c.integer_of({"n_head", "num_attention_heads"}).value_or(0);
  set_layers(c, d, c.integer_of({"n_layer", "num_hidden_layers"}).value_or(0));
  split_heads(c, d);
  d.context = c.integer("seq_length").value_or(2048);
  d.ffn_width = d.width <= kMostWidth ? 4 * d.width : 0;
  layer_norms(d, c.number("layer_norm_epsilon").value_or(1e-5));
  d.activation = Activation::gelu_tanh;
  d.embedding_norm = true;
  c.expect("apply_residual_connection_post_layernorm", false);
  d.position = PositionKind::alibi;
  d.tied = c.boolean("tie_word_embeddings").value_or(true);
}

void describe_falcon(const Config& c, ModelDescription& d) {
  d.vocabulary = c.required("vocab_size");
  d.width = c.integer_of({"n_embed", "hidden_size"}).value_or(0);
  d.heads = c.integer_of({"num_attention_heads", "n_head"}).value_or(0);
  set_layers(c, d, c.integer_of({"num_hidden_layers", "n_layer"}).value_or(0));
  split_heads(c, d);
  d.context = c.integer("max_position_embeddings").value_or(2048);
  auto kv_heads = c.integer_of({"num_kv_heads", "n_head_kv"});
  bool newer = c.boolean("new_decoder_architecture").value_or(false);
  bool multi_query = c.boolean("multi_query").value_or(true);
  if (newer) {
    d.kv_heads = kv_heads.value_or(d.heads);
  } else if (multi_query) {
    d.kv_heads = 1;
  }
  d.ffn_width = c.integer("ffn_hidden_size").value_or(d.width <= kMostWidth ? 4 * d.width : 0);
  layer_norms(d, c.number("layer_norm_epsilon").value_or(1e-5));
  read_activation(c, d, "activation", "gelu");
  c.boolean("bias");
  bool parallel = c.boolean("parallel_attn").value_or(true);
  auto norms = c.integer("num_ln_in_parallel_attn");
  d.parallel = newer || parallel;
  d.parallel_one_norm = d.parallel && (newer ? norms.value_or(2) == 1 : true);
  d.tied = c.boolean("tie_word_embeddings").value_or(true);
  read_rope(c, d, 10000);
  if (c.boolean("alibi").value_or(false)) {
    d.position = PositionKind::alibi;
    d.alibi_scale = 1 / std::sqrt(static_cast<double>(d.head_width));
    d.rotary_width = 0;
  }
}

}  // namespace tessera
