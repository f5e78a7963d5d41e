#include "tessera/base/error.h"
#include "tessera/files/family.h"
#include "tessera/files/shown.h"

namespace tessera {

void describe_bert(const Config& c, ModelDescription& d) {
  d.decoder = false;
  d.vocabulary = c.required("vocab_size");
  d.width = c.required("hidden_size");
  set_layers(c, d, c.required("num_hidden_layers"));
  d.heads = c.required("num_attention_heads");
  if (d.heads <= 0 || d.width % d.heads != 0) {
    c.refuse("num_attention_heads",
             "is " + std::to_string(d.heads) + " for hidden_size " + std::to_string(d.width));
  }
  d.kv_heads = d.heads;
  d.head_width = d.width / d.heads;
  d.ffn_width = c.required("intermediate_size");
  d.position = PositionKind::learned;
  d.position_rows = c.required("max_position_embeddings");
  d.context = d.position_rows;
  d.token_types = c.integer("type_vocab_size").value_or(2);
  d.embedding_norm = true;
  d.activation = activation_named(c.string("hidden_act").value_or("gelu"), c.where());
  d.gated = false;
  d.norm = NormKind::layer;
  d.norm_epsilon = c.number("layer_norm_eps").value_or(1e-12);
  d.norm_before = false;
  d.norm_residual = true;
  d.final_norm = false;
  c.expect("is_decoder", false);
  std::string positions = c.string("position_embedding_type").value_or("absolute");
  if (positions != "absolute") {
    c.refuse("position_embedding_type", "is \"" + shown(positions) + "\"; Tessera serves absolute");
  }
  // An encoder has no head: whether the pre-training head was tied changes nothing.
  c.mark_used("tie_word_embeddings");
}

void describe_roberta(const Config& c, ModelDescription& d) {
  describe_bert(c, d);
  // Positions count from the row after the padding id's.
  d.position_offset = c.integer("pad_token_id").value_or(1);
  if (d.position_offset < 0 || d.position_offset >= d.position_rows) {
    c.refuse("pad_token_id", "is " + std::to_string(d.position_offset));
  }
  ++d.position_offset;
  d.context = d.position_rows - d.position_offset;
}

void describe_electra(const Config& c, ModelDescription& d) {
  describe_bert(c, d);
  d.embedding_width = c.integer("embedding_size").value_or(d.width);
}

}  // namespace tessera
