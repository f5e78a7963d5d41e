#include "tessera/files/family.h"

#include <algorithm>

#include "tessera/base/error.h"
#include "tessera/files/description_fields.h"
#include "tessera/files/shown.h"

namespace tessera {
namespace {

using P = Part;
using S = Storage;
using Parts = std::vector<PartName>;

Parts join(std::initializer_list<Parts> lists) {
  Parts out;
  for (const Parts& list : lists) out.insert(out.end(), list.begin(), list.end());
  return out;
}

// What Llama and its many relatives share.
const Parts kLlamaFrame = {{P::token_embedding, "embed_tokens"},
                           {P::attention_output, "layers.{}.self_attn.o_proj"},
                           {P::down, "layers.{}.mlp.down_proj"},
                           {P::final_norm, "norm"},
                           {P::output, "^lm_head"}};
const Parts kPreNorms = {{P::attention_norm, "layers.{}.input_layernorm"},
                         {P::ffn_norm, "layers.{}.post_attention_layernorm"}};
const Parts kSplitAttention = {{P::query, "layers.{}.self_attn.q_proj"},
                               {P::key, "layers.{}.self_attn.k_proj"},
                               {P::value, "layers.{}.self_attn.v_proj"}};
const Parts kHeadNorms = {{P::query_norm, "layers.{}.self_attn.q_norm"},
                          {P::key_norm, "layers.{}.self_attn.k_norm"}};
const Parts kGated = {{P::gate, "layers.{}.mlp.gate_proj"}, {P::up, "layers.{}.mlp.up_proj"}};
const Parts kExperts = {{P::router, "layers.{}.block_sparse_moe.gate"},
                        {P::gate, "layers.{}.block_sparse_moe.experts.{e}.w1"},
                        {P::up, "layers.{}.block_sparse_moe.experts.{e}.w3"},
                        {P::down, "layers.{}.block_sparse_moe.experts.{e}.w2"}};
const Parts kFourNorms = {{P::attention_norm, "layers.{}.input_layernorm"},
                          {P::attention_output_norm, "layers.{}.post_attention_layernorm"},
                          {P::ffn_norm, "layers.{}.pre_feedforward_layernorm"},
                          {P::ffn_output_norm, "layers.{}.post_feedforward_layernorm"}};
const Parts kPostNorms = {{P::attention_output_norm, "layers.{}.post_attention_layernorm"},
                          {P::ffn_output_norm, "layers.{}.post_feedforward_layernorm"}};
const Parts kLlama = join({kLlamaFrame, kPreNorms, kSplitAttention, kGated});

const Parts kPhi3 = join({kLlamaFrame,
                          kPreNorms,
                          {{P::query, "layers.{}.self_attn.qkv_proj", S::stacked},
                           {P::key, "layers.{}.self_attn.qkv_proj", S::stacked},
                           {P::value, "layers.{}.self_attn.qkv_proj", S::stacked},
                           {P::gate, "layers.{}.mlp.gate_up_proj", S::stacked},
                           {P::up, "layers.{}.mlp.gate_up_proj", S::stacked}}});

const Parts kGpt2 = {{P::token_embedding, "wte"},
                     {P::position_embedding, "wpe"},
                     {P::attention_norm, "h.{}.ln_1"},
                     {P::query, "h.{}.attn.c_attn", S::stacked_transposed},
                     {P::key, "h.{}.attn.c_attn", S::stacked_transposed},
                     {P::value, "h.{}.attn.c_attn", S::stacked_transposed},
                     {P::attention_output, "h.{}.attn.c_proj", S::transposed},
                     {P::ffn_norm, "h.{}.ln_2"},
                     {P::up, "h.{}.mlp.c_fc", S::transposed},
                     {P::down, "h.{}.mlp.c_proj", S::transposed},
                     {P::final_norm, "ln_f"},
                     {P::output, "^lm_head"}};

const Parts kGptNeox = {{P::token_embedding, "embed_in"},
                        {P::attention_norm, "layers.{}.input_layernorm"},
                        {P::query, "layers.{}.attention.query_key_value", S::grouped},
                        {P::key, "layers.{}.attention.query_key_value", S::grouped},
                        {P::value, "layers.{}.attention.query_key_value", S::grouped},
                        {P::attention_output, "layers.{}.attention.dense"},
                        {P::ffn_norm, "layers.{}.post_attention_layernorm"},
                        {P::up, "layers.{}.mlp.dense_h_to_4h"},
                        {P::down, "layers.{}.mlp.dense_4h_to_h"},
                        {P::final_norm, "final_layer_norm"},
                        {P::output, "^embed_out"}};

// BLOOM and Falcon. Falcon's `ln_attn` and `ln_mlp` come with two norms in a parallel layer.
const Parts kBloom = {{P::token_embedding, "word_embeddings"},
                      {P::embedding_norm, "word_embeddings_layernorm"},
                      {P::attention_norm, "h.{}.input_layernorm"},
                      {P::attention_norm, "h.{}.ln_attn"},
                      {P::query, "h.{}.self_attention.query_key_value", S::grouped},
                      {P::key, "h.{}.self_attention.query_key_value", S::grouped},
                      {P::value, "h.{}.self_attention.query_key_value", S::grouped},
                      {P::attention_output, "h.{}.self_attention.dense"},
                      {P::ffn_norm, "h.{}.post_attention_layernorm"},
                      {P::ffn_norm, "h.{}.ln_mlp"},
                      {P::up, "h.{}.mlp.dense_h_to_4h"},
                      {P::down, "h.{}.mlp.dense_4h_to_h"},
                      {P::final_norm, "ln_f"},
                      {P::output, "^lm_head"}};

// The same two norms stand before or after their sub-layer.
const Parts kOpt = {{P::token_embedding, "embed_tokens"},
                    {P::embedding_projection, "project_in"},
                    {P::position_embedding, "embed_positions"},
                    {P::attention_norm, "layers.{}.self_attn_layer_norm"},
                    {P::attention_residual_norm, "layers.{}.self_attn_layer_norm"},
                    {P::query, "layers.{}.self_attn.q_proj"},
                    {P::key, "layers.{}.self_attn.k_proj"},
                    {P::value, "layers.{}.self_attn.v_proj"},
                    {P::attention_output, "layers.{}.self_attn.out_proj"},
                    {P::ffn_norm, "layers.{}.final_layer_norm"},
                    {P::ffn_residual_norm, "layers.{}.final_layer_norm"},
                    {P::up, "layers.{}.fc1"},
                    {P::down, "layers.{}.fc2"},
                    {P::final_norm, "final_layer_norm"},
                    {P::output_projection, "project_out"},
                    {P::output, "^lm_head"}};

const Parts kBert = {{P::token_embedding, "embeddings.word_embeddings"},
                     {P::position_embedding, "embeddings.position_embeddings"},
                     {P::token_type_embedding, "embeddings.token_type_embeddings"},
                     {P::embedding_norm, "embeddings.LayerNorm"},
                     {P::embedding_projection, "embeddings_project"},
                     {P::query, "encoder.layer.{}.attention.self.query"},
                     {P::key, "encoder.layer.{}.attention.self.key"},
                     {P::value, "encoder.layer.{}.attention.self.value"},
                     {P::attention_output, "encoder.layer.{}.attention.output.dense"},
                     {P::attention_residual_norm, "encoder.layer.{}.attention.output.LayerNorm"},
                     {P::up, "encoder.layer.{}.intermediate.dense"},
                     {P::down, "encoder.layer.{}.output.dense"},
                     {P::ffn_residual_norm, "encoder.layer.{}.output.LayerNorm"}};

// Frequencies and masks that old versions stored, and copies of a tied table.
const std::vector<std::string_view> kStaleTensors = {"*.rotary_emb.inv_freq", "*.attn.bias",
                                                     "*.attn.masked_bias", "*.attention.bias",
                                                     "*.attention.masked_bias"};
// The heads of pre-training and of tasks: not part of the encoder.
const std::vector<std::string_view> kTaskHeads = {"*embeddings.position_ids",
                                                  "*pooler.*",
                                                  "cls.*",
                                                  "lm_head.*",
                                                  "generator_predictions.*",
                                                  "generator_lm_head.*",
                                                  "discriminator_predictions.*",
                                                  "classifier.*",
                                                  "qa_outputs.*"};

std::vector<Family> make_families() {
  const auto& stale = kStaleTensors;
  const auto& heads = kTaskHeads;
  return {
      {"llama", "model.", kLlama, stale, {}, describe_llama},
      {"smollm3", "model.", kLlama, stale, {"no_rope_layer_interval"}, describe_smollm3},
      {"mistral", "model.", kLlama, stale, {}, describe_mistral},
      {"mixtral",
       "model.",
       join({kLlamaFrame, kPreNorms, kSplitAttention, kExperts}),
       stale,
       {"output_router_logits", "router_aux_loss_coef", "router_jitter_noise"},
       describe_mixtral},
      {"qwen2", "model.", kLlama, stale, {}, describe_qwen2},
      {"qwen3", "model.", join({kLlama, kHeadNorms}), stale, {}, describe_qwen3},
      {"gemma", "model.", kLlama, stale, {}, describe_gemma},
      {"gemma2",
       "model.",
       join({kLlamaFrame, kFourNorms, kSplitAttention, kGated}),
       stale,
       {},
       describe_gemma2},
      {"gemma3_text",
       "model.",
       join({kLlamaFrame, kFourNorms, kSplitAttention, kHeadNorms, kGated}),
       stale,
       {},
       describe_gemma3},
      {"phi3", "model.", kPhi3, stale, {"embd_pdrop", "resid_pdrop"}, describe_phi3},
      {"olmo2",
       "model.",
       join({kLlamaFrame, kPostNorms, kSplitAttention, kHeadNorms, kGated}),
       stale,
       {},
       describe_olmo2},
      {"gpt2", "transformer.", kGpt2, stale, {"n_ctx", "reorder_and_upcast_attn"}, describe_gpt2},
      {"gpt_neox", "gpt_neox.", kGptNeox, stale, {}, describe_gpt_neox},
      {"opt", "model.decoder.", kOpt, stale, {"init_std", "layerdrop", "dropout"}, describe_opt},
      {"bloom",
       "transformer.",
       kBloom,
       stale,
       {"slow_but_exact", "pretraining_tp", "offset_alibi", "attention_softmax_in_fp32",
        "masked_softmax_fusion", "bias_dropout_fusion", "skip_bias_add", "skip_bias_add_qkv",
        "unk_token_id"},
       describe_bloom},
      {"falcon", "transformer.", kBloom, stale, {}, describe_falcon},
      {"bert", "bert.", kBert, heads, {}, describe_bert},
      {"roberta", "roberta.", kBert, heads, {}, describe_roberta},
      {"xlm-roberta", "roberta.", kBert, heads, {}, describe_roberta},
      {"electra", "electra.", kBert, heads, {}, describe_electra},
  };
}

// Reads one field of the description from the `tessera` object.
struct FieldReader {
  const Config& c;
  void operator()(std::string_view name, std::string& field) const {
    if (auto v = c.string(name)) field = *v;
  }
  void operator()(std::string_view name, int64_t& field) const {
    if (auto v = c.integer(name)) field = *v;
  }
  void operator()(std::string_view name, double& field) const {
    if (auto v = c.number(name)) field = *v;
  }
  void operator()(std::string_view name, bool& field) const {
    if (auto v = c.boolean(name)) field = *v;
  }
  template <class E>
    requires std::is_enum_v<E>
  void operator()(std::string_view name, E& field) const {
    auto v = c.string(name);
    if (!v) return;
    std::string list;
    size_t i = 0;
    for (std::string_view known : Spellings<E>::names) {
      if (*v == known) {
        field = static_cast<E>(i);
        return;
      }
      list += (i++ == 0 ? "" : ", ") + std::string(known);
    }
    c.refuse(name, "is \"" + shown(*v) + "\"; it can be " + list);
  }
};

void override_fields(const Config& config, ModelDescription& d) {
  auto ours = config.object("tessera");
  if (!ours) return;
  ours->mark_used("version");
  visit_fields(d, FieldReader{*ours});
  auto unknown = ours->unused();
  if (!unknown.empty()) ours->refuse(unknown.front(), "is no field of a model description");
}

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> table = make_families();
  return table;
}

const Family& find_family(std::string_view model_type, const std::string& where) {
  std::string list;
  std::vector<std::string> names;
  for (const Family& family : families()) {
    if (family.name == model_type) return family;
    names.emplace_back(family.name);
    list += (list.empty() ? "" : ", ") + std::string(family.name);
  }
  throw Error(where, "model_type \"" + shown(model_type) + "\" is not served; there are " + list,
              did_you_mean(model_type, names));
}

std::span<const std::string_view> common_inert_keys() {
  static constexpr std::string_view keys[] = {"_attn_implementation",
                                              "_attn_implementation_autoset",
                                              "_name_or_path",
                                              "_num_labels",
                                              "architectures",
                                              "attention_dropout",
                                              "attention_probs_dropout_prob",
                                              "attn_implementation",
                                              "attn_pdrop",
                                              "auto_map",
                                              "bos_token_id",
                                              "cache_implementation",
                                              "chunk_size_feed_forward",
                                              "classifier_dropout",
                                              "cls_token_id",
                                              "directionality",
                                              "dtype",
                                              "embd_pdrop",
                                              "eos_token_id",
                                              "finetuning_task",
                                              "gradient_checkpointing",
                                              "hidden_dropout",
                                              "hidden_dropout_prob",
                                              "id2label",
                                              "initializer_range",
                                              "is_decoder",
                                              "is_llama_config",
                                              "label2id",
                                              "language",
                                              "mask_token_id",
                                              "max_new_tokens",
                                              "model_type",
                                              "name",
                                              "num_labels",
                                              "output_attentions",
                                              "output_hidden_states",
                                              "output_past",
                                              "pad_token_id",
                                              "pooler_fc_size",
                                              "pooler_num_attention_heads",
                                              "pooler_num_fc_layers",
                                              "pooler_size_per_head",
                                              "pooler_type",
                                              "prefix",
                                              "pretraining_tp",
                                              "problem_type",
                                              "resid_pdrop",
                                              "return_dict",
                                              "sep_token_id",
                                              "summary_activation",
                                              "summary_first_dropout",
                                              "summary_last_dropout",
                                              "summary_proj_to_labels",
                                              "summary_type",
                                              "summary_use_proj",
                                              "task_specific_params",
                                              "torch_dtype",
                                              "torchscript",
                                              "transformers.js_config",
                                              "transformers_version",
                                              "unk_token_id",
                                              "unsloth_fixed",
                                              "unsloth_version",
                                              "use_cache"};
  return keys;
}

ModelDescription describe(const Family& family, const Config& config,
                          const std::vector<std::string>& assume_inert,
                          std::vector<std::string>& inert) {
  ModelDescription d;
  d.family = family.name;
  config.expect("is_encoder_decoder", false);
  config.expect("add_cross_attention", false);
  family.describe(config, d);
  if (d.embedding_width == 0) d.embedding_width = d.width;
  override_fields(config, d);
  auto listed = [](const auto& list, const std::string& key) {
    return std::find(list.begin(), list.end(), key) != list.end();
  };
  for (const std::string& key : config.unused()) {
    if (!listed(common_inert_keys(), key) && !listed(family.inert_keys, key) &&
        !listed(assume_inert, key)) {
      config.refuse(
          key, "is a key that Tessera does not know for " + d.family,
          "If it changes nothing about the model, add `--assume-inert " + shown(key) + "`.");
    }
    inert.push_back(key);
  }
  check(d, config.where());
  return d;
}

Activation activation_named(const std::string& name, const std::string& where) {
  struct Row {
    std::string_view name;
    Activation activation;
  };
  // gelu_fast and gelu_accurate write the tanh approximation with other constants of the same
  // value.
  static constexpr Row rows[] = {{"gelu", Activation::gelu},
                                 {"gelu_python", Activation::gelu},
                                 {"gelu_new", Activation::gelu_tanh},
                                 {"gelu_fast", Activation::gelu_tanh},
                                 {"gelu_accurate", Activation::gelu_tanh},
                                 {"gelu_pytorch_tanh", Activation::gelu_tanh},
                                 {"gelu_python_tanh", Activation::gelu_tanh},
                                 {"silu", Activation::silu},
                                 {"swish", Activation::silu},
                                 {"relu", Activation::relu},
                                 {"relu2", Activation::relu_squared},
                                 {"quick_gelu", Activation::quick_gelu}};
  std::string list;
  for (const Row& row : rows) {
    if (row.name == name) return row.activation;
    list += (list.empty() ? "" : ", ") + std::string(row.name);
  }
  throw Error(where, "activation \"" + shown(name) + "\" is not served; there are " + list);
}

bool matches(std::string_view pattern, std::string_view text) {
  size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  text.remove_prefix(star);
  pattern.remove_prefix(star + 1);
  for (size_t skip = 0; skip <= text.size(); ++skip) {
    if (matches(pattern, text.substr(skip))) return true;
  }
  return false;
}

}  // namespace tessera
