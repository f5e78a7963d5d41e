#include "tests/network/variants.h"

#include "tests/network/tiny_model.h"

namespace tessera::test {

std::vector<Variant> variants() {
  return {
      {"llama", [](ModelDescription&) {}},
      {"multi-head", [](ModelDescription& d) { d.kv_heads = 4; }},
      {"multi-query", [](ModelDescription& d) { d.kv_heads = 1; }},
      {"many heads a group",
       [](ModelDescription& d) {
         d.heads = 14;
         d.kv_heads = 1;
       }},
      {"odd sizes",
       [](ModelDescription& d) {
         d.width = d.embedding_width = 56;
         d.head_width = 12;
         d.rotary_width = 8;
         d.ffn_width = 50;
         d.vocabulary = 77;
       }},
      {"interleaved partial rope",
       [](ModelDescription& d) {
         d.rope_interleaved = true;
         d.rotary_width = 8;
       }},
      {"linear scaling",
       [](ModelDescription& d) {
         d.rope_scaling.kind = ScalingKind::linear;
         d.rope_scaling.factor = 4;
       }},
      {"llama3 scaling",
       [](ModelDescription& d) {
         d.rope_scaling.kind = ScalingKind::llama3;
         d.rope_scaling.factor = 8;
         d.rope_scaling.original_context = 64;
       }},
      {"yarn scaling",
       [](ModelDescription& d) {
         d.rope_scaling.kind = ScalingKind::yarn;
         d.rope_scaling.factor = 4;
         d.rope_scaling.original_context = 128;
         d.rotary_width = 12;
       }},
      {"no positions in one layer", [](ModelDescription& d) { d.layer[1].rotary = false; }},
      {"alibi, embedding norm",
       [](ModelDescription& d) {
         d.position = PositionKind::alibi;
         d.alibi_scale = 0.5;
         d.embedding_norm = true;
         d.norm = NormKind::layer;
         d.heads = 6;
         d.kv_heads = 6;
       }},
      {"learned positions",
       [](ModelDescription& d) {
         d.position = PositionKind::learned;
         d.position_rows = 300;
         d.context = 290;
         d.position_offset = 2;
         d.norm = NormKind::layer;
         d.gated = false;
         d.activation = Activation::gelu_tanh;
       }},
      {"projected embedding, post norm",
       [](ModelDescription& d) {
         d.position = PositionKind::learned;
         d.position_rows = 300;
         d.context = 290;
         d.embedding_width = 32;
         d.norm_before = false;
         d.norm_residual = true;
         d.final_norm = false;
         d.norm = NormKind::layer;
         d.tied = true;
         d.gated = false;
         d.activation = Activation::relu;
       }},
      {"window", [](ModelDescription& d) { d.layer[0].window = 7; }},
      {"qk norm by head", [](ModelDescription& d) { d.query_key_norm = true; }},
      {"qk norm wide, norm after",
       [](ModelDescription& d) {
         d.query_key_norm_wide = true;
         d.norm_before = false;
         d.norm_after = true;
       }},
      {"gemma 2",
       [](ModelDescription& d) {
         d.norm_after = true;
         d.norm_weight_offset = 1;
         d.embedding_scale = 8;
         d.attention_softcap = 5;
         d.logit_softcap = 3;
         d.activation = Activation::gelu_tanh;
         d.attention_scale = 0.3;
         d.layer[1].window = 5;
         d.layer[0].rope_theta = 1e6;
         d.tied = true;
       }},
      {"parallel",
       [](ModelDescription& d) {
         d.parallel = true;
         d.norm = NormKind::layer;
         d.gated = false;
         d.activation = Activation::gelu;
       }},
      {"parallel, one norm",
       [](ModelDescription& d) {
         d.parallel = d.parallel_one_norm = true;
         d.kv_heads = 1;
         d.norm = NormKind::layer;
       }},
      {"experts",
       [](ModelDescription& d) {
         d.experts = 5;
         d.experts_used = 2;
         d.layer[1].experts = true;
       }},
      {"experts not renormalised",
       [](ModelDescription& d) {
         d.experts = 3;
         d.experts_used = 1;
         d.experts_renormalised = false;
         d.layer[0].experts = d.layer[1].experts = true;
       }},
      {"scales",
       [](ModelDescription& d) {
         d.residual_scale = 0.5;
         d.logit_scale = 0.25;
         d.activation = Activation::relu_squared;
       }},
      {"encoder",
       [](ModelDescription& d) {
         d.decoder = false;
         d.position = PositionKind::learned;
         d.position_rows = 300;
         d.context = 290;
         d.token_types = 2;
         d.embedding_norm = true;
         d.norm_before = false;
         d.norm_residual = true;
         d.final_norm = false;
         d.norm = NormKind::layer;
         d.gated = false;
         d.activation = Activation::gelu;
         d.kv_heads = 4;
       }},
      {"projected encoder",
       [](ModelDescription& d) {
         d.decoder = false;
         d.position = PositionKind::learned;
         d.position_rows = 300;
         d.context = 290;
         d.token_types = 2;
         d.embedding_norm = true;
         d.embedding_width = 32;
         d.norm_before = false;
         d.norm_residual = true;
         d.final_norm = false;
         d.norm = NormKind::layer;
         d.gated = false;
         d.kv_heads = 4;
       }},
  };
}

ModelDescription described(const Variant& v) {
  ModelDescription d = tiny_description();
  v.change(d);
  check(d, v.name);
  return d;
}

}  // namespace tessera::test
