#include "tessera/files/gguf_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "tessera/base/error.h"
#include "tessera/files/assemble.h"
#include "tessera/files/family.h"
#include "tessera/files/quantise.h"
#include "tessera/files/shown.h"

namespace tessera {
namespace {

using P = Part;
using S = Storage;

// Keys under the architecture's name, each of which must be asked for or known to be inert.
class Keys {
 public:
  Keys(const GgufFile& file, std::string_view architecture)
      : file_(file), prefix_(std::string(architecture) + ".") {}

  [[noreturn]] void refuse(std::string_view key, const std::string& what) const {
    throw Error(file_.path() + ": " + prefix_ + std::string(key), what, "Convert the model again.");
  }
  std::optional<int64_t> integer(std::string_view key) {
    std::string full = use(key);
    auto value = file_.find(full);
    if (!value || !std::holds_alternative<GgufArray>(*value)) return file_.integer(full);
    // One number a layer: served when all are equal.
    std::vector<int64_t> all = file_.integers(full);
    if (all.empty()) return std::nullopt;
    for (int64_t x : all) {
      if (x != all[0]) refuse(key, "differs from layer to layer, which Tessera does not serve");
    }
    return all[0];
  }
  int64_t required(std::string_view key) {
    auto value = integer(key);
    if (!value) refuse(key, "is missing");
    return *value;
  }
  std::optional<double> number(std::string_view key) { return file_.number(use(key)); }
  std::optional<bool> boolean(std::string_view key) { return file_.boolean(use(key)); }
  std::optional<std::string_view> string(std::string_view key) { return file_.string(use(key)); }

  // Full names of the keys that were not asked for.
  std::vector<std::string> unused() const {
    std::vector<std::string> out;
    for (const auto& [key, value] : file_.metadata()) {
      if (key.starts_with(prefix_) && !used_.contains(std::string(key))) out.emplace_back(key);
    }
    return out;
  }

 private:
  std::string use(std::string_view key) {
    std::string full = prefix_ + std::string(key);
    used_.insert(full);
    return full;
  }
  const GgufFile& file_;
  std::string prefix_;
  std::set<std::string> used_;
};

// What the writers of an architecture decided and the metadata does not say.
struct GgufArchitecture {
  std::string_view name;    // general.architecture
  std::string_view family;  // whose module names the parts have
  Activation activation;
  bool interleaved;  // rows of q and k reordered for rotation of adjacent pairs
  void (*adjust)(Keys&, const GgufFile&, ModelDescription&);
};

void plain(Keys&, const GgufFile&, ModelDescription&) {}

void qwen3(Keys&, const GgufFile&, ModelDescription& d) { d.query_key_norm = true; }

// Every fourth layer sees no positions; the metadata has no key for it.
void smollm3(Keys&, const GgufFile&, ModelDescription& d) {
  for (size_t i = 0; i < d.layer.size(); ++i) d.layer[i].rotary = (i + 1) % 4 != 0;
}

// The weights of norms already include the 1 that Gemma adds.
void gemma(Keys&, const GgufFile&, ModelDescription& d) {
  d.embedding_scale = std::sqrt(static_cast<double>(d.width));
}

// The scale of the largest model of a generation is that of width / heads, not of the head's width.
void gemma_scale(ModelDescription& d, int64_t layers_of_largest) {
  const double divisor = d.layers == layers_of_largest
                             ? static_cast<double>(d.width) / static_cast<double>(d.heads)
                             : static_cast<double>(d.head_width);
  d.attention_scale = 1 / std::sqrt(divisor);
}

void gemma2(Keys& k, const GgufFile& f, ModelDescription& d) {
  gemma(k, f, d);
  d.norm_after = true;
  d.attention_softcap = k.number("attn_logit_softcapping").value_or(50);
  d.logit_softcap = k.number("final_logit_softcapping").value_or(30);
  gemma_scale(d, 46);
  for (size_t i = 0; i < d.layer.size(); ++i) {
    if (i % 2 == 1) d.layer[i].window = 0;
  }
}

void gemma3(Keys& k, const GgufFile& f, ModelDescription& d) {
  gemma(k, f, d);
  d.norm_after = true;
  d.query_key_norm = true;
  d.attention_softcap = k.number("attn_logit_softcapping").value_or(0);
  d.logit_softcap = k.number("final_logit_softcapping").value_or(0);
  gemma_scale(d, 62);
  const double local = k.number("rope.freq_base_swa").value_or(10000);
  const int64_t every = k.integer("attention.sliding_window_pattern").value_or(6);
  if (every <= 0) k.refuse("attention.sliding_window_pattern", "is " + std::to_string(every));
  for (size_t i = 0; i < d.layer.size(); ++i) {
    LayerDescription& layer = d.layer[i];
    if ((static_cast<int64_t>(i) + 1) % every == 0) {
      layer.window = 0;
    } else {
      layer.rope_theta = local;
      layer.rope_scaled = false;
    }
  }
}

void olmo2(Keys&, const GgufFile&, ModelDescription& d) {
  d.norm_before = false;
  d.norm_after = true;
  d.query_key_norm_wide = true;
}

void two_matrices(ModelDescription& d) {
  d.norm = NormKind::layer;
  d.gated = false;
}

void gpt2(Keys&, const GgufFile& f, ModelDescription& d) {
  two_matrices(d);
  d.position = PositionKind::learned;
  const GgufTensor* table = f.tensor("position_embd.weight");
  d.position_rows = table ? table->shape.back() : d.context;
}

void gptneox(Keys& k, const GgufFile&, ModelDescription& d) {
  two_matrices(d);
  d.parallel = k.boolean("use_parallel_residual").value_or(true);
}

void bloom(Keys&, const GgufFile&, ModelDescription& d) {
  two_matrices(d);
  d.position = PositionKind::alibi;
  d.embedding_norm = true;
}

void falcon(Keys&, const GgufFile& f, ModelDescription& d) {
  two_matrices(d);
  d.parallel = true;
  d.parallel_one_norm = f.tensor("blk.0.attn_norm_2.weight") == nullptr;
}

void bert(Keys& k, const GgufFile& f, ModelDescription& d) {
  two_matrices(d);
  if (k.boolean("attention.causal").value_or(false)) k.refuse("attention.causal", "is true");
  d.decoder = false;
  d.tied = false;
  d.position = PositionKind::learned;
  const GgufTensor* positions = f.tensor("position_embd.weight");
  d.position_rows = positions ? positions->shape.back() : d.context;
  const GgufTensor* types = f.tensor("token_types.weight");
  if (types) d.token_types = types->shape.size() == 2 ? types->shape[1] : 1;
  d.embedding_norm = true;
  d.norm_before = false;
  d.norm_residual = true;
  d.final_norm = false;
  switch (k.integer("pooling_type").value_or(0)) {
    case 0:
      d.pooling = Pooling::none;
      break;
    case 1:
      d.pooling = Pooling::mean;
      break;
    case 2:
      d.pooling = Pooling::cls;
      break;
    case 3:
      d.pooling = Pooling::last;
      break;
    default:
      k.refuse("pooling_type", "is not 0 to 3");
  }
}

constexpr GgufArchitecture kGgufArchitectures[] = {
    {"llama", "llama", Activation::silu, true, plain},
    {"smollm3", "smollm3", Activation::silu, true, smollm3},
    {"qwen2", "qwen2", Activation::silu, false, plain},
    {"qwen3", "qwen3", Activation::silu, false, qwen3},
    {"gemma", "gemma", Activation::gelu_tanh, false, gemma},
    {"gemma2", "gemma2", Activation::gelu_tanh, false, gemma2},
    {"gemma3", "gemma3_text", Activation::gelu_tanh, false, gemma3},
    {"phi3", "phi3", Activation::silu, false, plain},
    {"olmo2", "olmo2", Activation::silu, false, olmo2},
    {"gpt2", "gpt2", Activation::gelu_tanh, false, gpt2},
    {"gptneox", "gpt_neox", Activation::gelu, false, gptneox},
    {"bloom", "bloom", Activation::gelu_tanh, false, bloom},
    {"falcon", "falcon", Activation::gelu, false, falcon},
    {"bert", "bert", Activation::gelu, false, bert},
};

const GgufArchitecture& find_architecture(const GgufFile& file) {
  auto name = file.string("general.architecture");
  if (!name) throw Error(file.path() + ": general.architecture", "is missing");
  std::string list;
  for (const GgufArchitecture& a : kGgufArchitectures) {
    if (a.name == *name) return a;
    list += (list.empty() ? "" : ", ") + std::string(a.name);
  }
  throw Error(file.path() + ": general.architecture",
              "is \"" + shown(*name) + "\"; Tessera serves " + list);
}

// The names that all architectures share; a model has those that its description asks for.
std::vector<PartName> names_of(const GgufArchitecture& a, const GgufFile& file) {
  const S rotated = a.interleaved ? S::interleaved : S::plain;
  std::vector<PartName> out = {
      {P::token_embedding, "token_embd"},
      {P::position_embedding, "position_embd"},
      {P::token_type_embedding, "token_types"},
      {P::embedding_norm, "token_embd_norm"},
      // Falcon 40B: attention has a norm of its own, the feed-forward block reads `attn_norm`.
      {P::attention_norm, "blk.{}.attn_norm_2"},
      {P::attention_norm, "blk.{}.attn_norm"},
      {P::query_norm, "blk.{}.attn_q_norm"},
      {P::key_norm, "blk.{}.attn_k_norm"},
      {P::attention_output, "blk.{}.attn_output"},
      {P::attention_output_norm, "blk.{}.post_attention_norm"},
      {P::attention_residual_norm, "blk.{}.attn_output_norm"},
      {P::ffn_norm, "blk.{}.ffn_norm"},
      {P::down, "blk.{}.ffn_down"},
      {P::router, "blk.{}.ffn_gate_inp"},
      {P::gate, "blk.{}.ffn_gate_exps", S::slabs},
      {P::up, "blk.{}.ffn_up_exps", S::slabs},
      {P::down, "blk.{}.ffn_down_exps", S::slabs},
      {P::gate, "blk.{}.ffn_gate.{e}"},
      {P::up, "blk.{}.ffn_up.{e}"},
      {P::down, "blk.{}.ffn_down.{e}"},
      {P::ffn_output_norm, "blk.{}.post_ffw_norm"},
      {P::ffn_residual_norm, "blk.{}.layer_output_norm"},
      {P::final_norm, "output_norm"},
      {P::output, "output"}};
  auto add = [&](std::initializer_list<PartName> more) { out.insert(out.end(), more); };
  if (a.name == "falcon") add({{P::ffn_norm, "blk.{}.attn_norm"}});
  if (file.tensor("blk.0.attn_qkv.weight")) {
    add({{P::query, "blk.{}.attn_qkv", S::stacked},
         {P::key, "blk.{}.attn_qkv", S::stacked},
         {P::value, "blk.{}.attn_qkv", S::stacked}});
  } else {
    add({{P::query, "blk.{}.attn_q", rotated},
         {P::key, "blk.{}.attn_k", rotated},
         {P::value, "blk.{}.attn_v"}});
  }
  if (a.family == "phi3" && !file.tensor("blk.0.ffn_gate.weight")) {
    add({{P::gate, "blk.{}.ffn_up", S::stacked}, {P::up, "blk.{}.ffn_up", S::stacked}});
  } else {
    add({{P::gate, "blk.{}.ffn_gate"}, {P::up, "blk.{}.ffn_up"}});
  }
  return out;
}

std::vector<double> factors(const GgufFile& file, std::string_view name) {
  const GgufTensor* t = file.tensor(name);
  if (!t) return {};
  if (t->shape.size() != 1 || t->shape[0] > kMostWidth) {
    throw Error(file.path(), "tensor " + std::string(name) + " is no list of factors");
  }
  std::vector<float> values(static_cast<size_t>(t->shape[0]));
  dequantise(t->type, t->data, values);
  return {values.begin(), values.end()};
}

void read_scaling(Keys& k, const GgufFile& file, ModelDescription& d) {
  RopeScaling& s = d.rope_scaling;
  const std::string_view type = k.string("rope.scaling.type").value_or("none");
  auto factor = k.number("rope.scaling.factor");
  if (auto old_factor = k.number("rope.scale_linear"); old_factor && !factor) factor = old_factor;
  s.original_context = k.integer("rope.scaling.original_context_length").value_or(d.context);
  auto attention = k.number("rope.scaling.attn_factor");
  k.boolean("rope.scaling.finetuned");
  s.factor = factor.value_or(1);
  if (type == "linear" || (type == "none" && s.factor > 1)) {
    s.kind = ScalingKind::linear;
  } else if (type == "yarn") {
    s.kind = ScalingKind::yarn;
    s.attention_factor = attention.value_or(1) * (s.factor > 1 ? 0.1 * std::log(s.factor) + 1 : 1);
  } else if (type != "none" && type != "longrope") {
    k.refuse("rope.scaling.type", "is \"" + shown(type) +
                                      "\"; Tessera serves none, linear, yarn, "
                                      "longrope");
  }
  // Llama 3's rule arrives as one factor a frequency, whatever the length.
  auto fixed = factors(file, "rope_freqs.weight");
  auto longer = factors(file, "rope_factors_long.weight");
  auto shorter = factors(file, "rope_factors_short.weight");
  if (!longer.empty() && !shorter.empty()) {
    s.kind = ScalingKind::longrope;
    s.long_factors = std::move(longer);
    s.short_factors = std::move(shorter);
    const double stretch = static_cast<double>(d.context) /
                           static_cast<double>(std::max<int64_t>(s.original_context, 2));
    const double formula =
        stretch <= 1
            ? 1
            : std::sqrt(1 + std::log(stretch) / std::log(static_cast<double>(
                                                    std::max<int64_t>(s.original_context, 2))));
    s.attention_factor = attention.value_or(formula);
  } else if (!fixed.empty()) {
    if (s.kind != ScalingKind::none) {
      k.refuse("rope.scaling.type", "stands beside a tensor rope_freqs.weight");
    }
    s.kind = ScalingKind::longrope;
    s.long_factors = s.short_factors = std::move(fixed);
    s.attention_factor = 1;
  }
}

ModelDescription describe_gguf(const GgufArchitecture& a, Keys& k, const GgufFile& file) {
  ModelDescription d;
  d.family = a.family;
  const GgufTensor* table = file.tensor("token_embd.weight");
  if (!table || table->shape.size() != 2) {
    throw Error(file.path(), "has no table token_embd.weight", "Get the whole model again.");
  }
  d.vocabulary = table->shape[1];
  k.integer("vocab_size");
  d.width = k.required("embedding_length");
  d.embedding_width = d.width;
  d.layers = k.required("block_count");
  if (d.layers < 1 || d.layers > kMostLayers) {
    k.refuse("block_count",
             "is " + std::to_string(d.layers) + "; it must be 1 to " + std::to_string(kMostLayers));
  }
  d.layer.resize(static_cast<size_t>(d.layers));
  d.context = k.required("context_length");
  d.ffn_width = k.required("feed_forward_length");
  d.heads = k.required("attention.head_count");
  d.kv_heads = k.integer("attention.head_count_kv").value_or(d.heads);
  auto key_width = k.integer("attention.key_length");
  auto value_width = k.integer("attention.value_length");
  if (d.heads <= 0) k.refuse("attention.head_count", "is " + std::to_string(d.heads));
  d.head_width = key_width.value_or(d.width / d.heads);
  if (value_width && *value_width != d.head_width) {
    k.refuse("attention.value_length", "differs from key_length, which Tessera does not serve");
  }
  auto rms = k.number("attention.layer_norm_rms_epsilon");
  auto layer_norm = k.number("attention.layer_norm_epsilon");
  d.norm_epsilon = rms.value_or(layer_norm.value_or(1e-5));
  d.activation = a.activation;
  d.tied = file.tensor("output.weight") == nullptr;
  d.rotary_width = k.integer("rope.dimension_count").value_or(d.head_width);
  const double theta = k.number("rope.freq_base").value_or(10000);
  const int64_t window = k.integer("attention.sliding_window").value_or(0);
  d.experts = k.integer("expert_count").value_or(0);
  d.experts_used = k.integer("expert_used_count").value_or(0);
  for (LayerDescription& layer : d.layer) {
    layer.rope_theta = theta;
    layer.window = window;
    layer.experts = d.experts > 0;
  }
  read_scaling(k, file, d);
  a.adjust(k, file, d);
  if (d.position != PositionKind::rope) {
    d.rotary_width = 0;
    d.rope_scaling = {};
  }
  return d;
}

class GgufTensors final : public TensorFiles {
 public:
  explicit GgufTensors(std::shared_ptr<const GgufFile> file) : file_(std::move(file)) {}
  void release(std::span<const std::byte> part) const override { file_->release(part); }

 private:
  std::shared_ptr<const GgufFile> file_;
};

}  // namespace

GgufModel open_gguf_model(std::shared_ptr<const GgufFile> file,
                          const std::vector<std::string>& assume_inert) {
  const GgufArchitecture& a = find_architecture(*file);
  Keys keys(*file, a.name);
  GgufModel out;
  out.description = describe_gguf(a, keys, *file);
  static constexpr std::string_view inert[] = {"tensor_data_layout", "attention.causal",
                                               "pooling_type"};
  for (const std::string& key : keys.unused()) {
    std::string_view bare = std::string_view(key).substr(a.name.size() + 1);
    if (std::find(std::begin(inert), std::end(inert), bare) == std::end(inert) &&
        std::find(assume_inert.begin(), assume_inert.end(), key) == assume_inert.end()) {
      throw Error(
          file->path() + ": " + shown(key), "is a key that Tessera does not know",
          "If it changes nothing about the model, add `--assume-inert " + shown(key) + "`.");
    }
    out.inert.push_back(key);
  }
  check(out.description, file->path());
  for (const GgufTensor& t : file->tensors()) {
    out.tensors.push_back(
        {std::string(t.name), t.type, {t.shape.rbegin(), t.shape.rend()}, t.data});
  }
  AssembleOptions options;
  options.where = file->path();
  options.names = names_of(a, *file);
  options.find_prefix = false;
  options.inert_tensors = {"rope_freqs.weight",
                           "rope_factors_long.weight",
                           "rope_factors_short.weight",
                           "blk.*.rope_freqs.weight",
                           "blk.*.attn_rot_embd",
                           "cls.*",
                           "cls"};
  options.assume_inert = assume_inert;
  const bool experts = out.description.experts > 0;
  const Family& family = find_family(experts ? "mixtral" : a.family, file->path());
  if (experts) out.description.family = family.name;
  out.checkpoint = assemble(out.description, family, out.tensors,
                            std::make_shared<GgufTensors>(std::move(file)), options);
  return out;
}

}  // namespace tessera
