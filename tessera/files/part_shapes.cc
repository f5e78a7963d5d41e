#include "tessera/files/assemble.h"

namespace tessera {

std::span<const Part> all_parts() {
  using P = Part;
  static constexpr Part parts[] = {P::token_embedding,
                                   P::position_embedding,
                                   P::token_type_embedding,
                                   P::embedding_norm,
                                   P::embedding_projection,
                                   P::attention_norm,
                                   P::query,
                                   P::key,
                                   P::value,
                                   P::query_norm,
                                   P::key_norm,
                                   P::attention_output,
                                   P::attention_output_norm,
                                   P::attention_residual_norm,
                                   P::ffn_norm,
                                   P::gate,
                                   P::up,
                                   P::down,
                                   P::router,
                                   P::ffn_output_norm,
                                   P::ffn_residual_norm,
                                   P::final_norm,
                                   P::output,
                                   P::output_projection};
  return parts;
}

bool is_norm(Part part) {
  switch (part) {
    case Part::embedding_norm:
    case Part::attention_norm:
    case Part::query_norm:
    case Part::key_norm:
    case Part::attention_output_norm:
    case Part::attention_residual_norm:
    case Part::ffn_norm:
    case Part::ffn_output_norm:
    case Part::ffn_residual_norm:
    case Part::final_norm:
      return true;
    default:
      return false;
  }
}

bool in_layers(Part part) {
  switch (part) {
    case Part::token_embedding:
    case Part::position_embedding:
    case Part::token_type_embedding:
    case Part::embedding_norm:
    case Part::embedding_projection:
    case Part::final_norm:
    case Part::output:
    case Part::output_projection:
      return false;
    default:
      return true;
  }
}

PartShape shape_of(const ModelDescription& d, Part part, int64_t layer) {
  const int64_t queries = d.heads * d.head_width, keys = d.kv_heads * d.head_width;
  const bool projected = d.embedding_width != d.width;
  // What is added before the projection has the table's width.
  const int64_t sum_width = d.projection_first ? d.width : d.embedding_width;
  const bool experts = layer >= 0 && d.layer[static_cast<size_t>(layer)].experts;
  auto when = [](bool there, int64_t rows, int64_t columns) {
    return there ? PartShape{rows, columns} : PartShape{};
  };
  switch (part) {
    case Part::token_embedding:
      return {d.vocabulary, d.embedding_width};
    case Part::position_embedding:
      return when(d.position == PositionKind::learned, d.position_rows, sum_width);
    case Part::token_type_embedding:
      return when(d.token_types > 0, d.token_types, sum_width);
    case Part::embedding_norm:
      return when(d.embedding_norm, 1, sum_width);
    case Part::embedding_projection:
      return when(projected, d.width, d.embedding_width);
    case Part::attention_norm:
      return when(d.norm_before, 1, d.width);
    case Part::query:
      return {queries, d.width};
    case Part::key:
    case Part::value:
      return {keys, d.width};
    case Part::query_norm:
      return d.query_key_norm_wide ? PartShape{1, queries}
                                   : when(d.query_key_norm, 1, d.head_width);
    case Part::key_norm:
      return d.query_key_norm_wide ? PartShape{1, keys} : when(d.query_key_norm, 1, d.head_width);
    case Part::attention_output:
      return {d.width, queries};
    case Part::attention_output_norm:
    case Part::ffn_output_norm:
      return when(d.norm_after, 1, d.width);
    case Part::attention_residual_norm:
    case Part::ffn_residual_norm:
      return when(d.norm_residual, 1, d.width);
    case Part::ffn_norm:
      return when(d.norm_before && !d.parallel_one_norm, 1, d.width);
    case Part::gate:
      return when(d.gated, d.ffn_width, d.width);
    case Part::up:
      return {d.ffn_width, d.width};
    case Part::down:
      return {d.width, d.ffn_width};
    case Part::router:
      return when(experts, d.experts, d.width);
    case Part::final_norm:
      return when(d.final_norm, 1, d.width);
    case Part::output:
      return when(d.decoder && !d.tied, d.vocabulary, d.embedding_width);
    case Part::output_projection:
      return when(d.decoder && projected, d.embedding_width, d.width);
  }
  return {};
}

}  // namespace tessera
