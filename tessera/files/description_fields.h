// The fields of a ModelDescription by name: for the `tessera` object of a config.json, for
// `inspect` and for tests. `layer` is not among them: see LayerDescription's own fields.
#pragma once

#include <string_view>
#include <utility>

#include "tessera/files/model_description.h"

namespace tessera {

// The spellings of an enumeration's values, in their order.
template <class E>
struct Spellings;
template <>
struct Spellings<Activation> {
  static constexpr std::string_view names[] = {"gelu", "gelu_tanh",    "silu",
                                               "relu", "relu_squared", "quick_gelu"};
};
template <>
struct Spellings<NormKind> {
  static constexpr std::string_view names[] = {"rms", "layer"};
};
template <>
struct Spellings<PositionKind> {
  static constexpr std::string_view names[] = {"none", "rope", "alibi", "learned"};
};
template <>
struct Spellings<ScalingKind> {
  static constexpr std::string_view names[] = {"none", "linear", "dynamic",
                                               "yarn", "llama3", "longrope"};
};
template <>
struct Spellings<Pooling> {
  static constexpr std::string_view names[] = {"none", "cls", "mean", "max", "last"};
};

template <class E>
std::string_view spelling(E value) {
  return Spellings<E>::names[static_cast<size_t>(value)];
}

// Calls visit(name, field) for every field. D is ModelDescription, const or not.
template <class D, class V>
void visit_fields(D& d, V&& visit) {
  visit("family", d.family);
  visit("decoder", d.decoder);
  visit("vocabulary", d.vocabulary);
  visit("width", d.width);
  visit("layers", d.layers);
  visit("context", d.context);
  visit("embedding_width", d.embedding_width);
  visit("embedding_scale", d.embedding_scale);
  visit("embedding_norm", d.embedding_norm);
  visit("projection_first", d.projection_first);
  visit("token_types", d.token_types);
  visit("position", d.position);
  visit("position_rows", d.position_rows);
  visit("position_offset", d.position_offset);
  visit("heads", d.heads);
  visit("kv_heads", d.kv_heads);
  visit("head_width", d.head_width);
  visit("rotary_width", d.rotary_width);
  visit("rope_interleaved", d.rope_interleaved);
  visit("rope_scaling", d.rope_scaling.kind);
  visit("rope_factor", d.rope_scaling.factor);
  visit("rope_original_context", d.rope_scaling.original_context);
  visit("attention_scale", d.attention_scale);
  visit("alibi_scale", d.alibi_scale);
  visit("attention_softcap", d.attention_softcap);
  visit("query_key_norm", d.query_key_norm);
  visit("query_key_norm_wide", d.query_key_norm_wide);
  visit("norm", d.norm);
  visit("norm_epsilon", d.norm_epsilon);
  visit("norm_weight_offset", d.norm_weight_offset);
  visit("norm_before", d.norm_before);
  visit("norm_after", d.norm_after);
  visit("norm_residual", d.norm_residual);
  visit("parallel", d.parallel);
  visit("parallel_one_norm", d.parallel_one_norm);
  visit("final_norm", d.final_norm);
  visit("residual_scale", d.residual_scale);
  visit("ffn_width", d.ffn_width);
  visit("activation", d.activation);
  visit("gated", d.gated);
  visit("experts", d.experts);
  visit("experts_used", d.experts_used);
  visit("experts_renormalised", d.experts_renormalised);
  visit("tied", d.tied);
  visit("logit_scale", d.logit_scale);
  visit("logit_softcap", d.logit_softcap);
  visit("pooling", d.pooling);
  visit("pooled_normalised", d.pooled_normalised);
}

}  // namespace tessera
