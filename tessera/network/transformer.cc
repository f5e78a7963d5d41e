#include <utility>

#include "tessera/network/graph.h"

namespace tessera {
namespace {

// Appends operations and hands out values.
class Builder {
 public:
  explicit Builder(const ModelDescription& d) : d_(d) {}

  ValueId input() { return append({.kind = OpKind::input, .inputs = {}}, d_.embedding_width); }
  ValueId linear(Place place, ValueId x, int64_t width) {
    return append({.kind = OpKind::linear, .place = place, .inputs = {x}}, width);
  }
  ValueId norm(Place place, ValueId x) {
    return append({.kind = OpKind::norm, .place = place, .inputs = {x}}, width(x));
  }
  ValueId head_norm(Place place, ValueId x, int64_t heads) {
    return append({.kind = OpKind::head_norm, .place = place, .inputs = {x}, .heads = heads},
                  width(x));
  }
  ValueId rotate(int64_t layer, ValueId x, int64_t heads) {
    return append(
        {.kind = OpKind::rotate, .place = {Part::query, layer}, .inputs = {x}, .heads = heads},
        width(x));
  }
  ValueId attend(int64_t layer, ValueId q, ValueId k, ValueId v) {
    return append({.kind = OpKind::attend,
                   .place = {Part::query, layer},
                   .inputs = {q, k, v},
                   .heads = d_.heads},
                  width(q));
  }
  ValueId activate(ValueId x) {
    return append({.kind = OpKind::activate, .inputs = {x}, .activation = d_.activation}, width(x));
  }
  ValueId gate(ValueId a, ValueId b) {
    return append({.kind = OpKind::gate, .inputs = {a, b}, .activation = d_.activation}, width(a));
  }
  ValueId add(ValueId a, ValueId b, double scale = 1) {
    return append({.kind = OpKind::add, .inputs = {a, b}, .scale = scale}, width(a));
  }
  ValueId of_value(OpKind kind, ValueId x, double scale) {
    return append({.kind = kind, .inputs = {x}, .scale = scale}, width(x));
  }
  ValueId with_table(OpKind kind, Part table, ValueId x) {
    return append({.kind = kind, .place = {.part = table}, .inputs = {x}}, width(x));
  }
  ValueId mixture(int64_t layer, ValueId x) {
    return append({.kind = OpKind::mixture,
                   .place = {Part::router, layer},
                   .inputs = {x},
                   .activation = d_.activation},
                  width(x));
  }
  ValueId take_wanted(ValueId x) {
    return append({.kind = OpKind::take_wanted, .inputs = {x}}, width(x));
  }

  int64_t width(ValueId v) const { return graph_.width[static_cast<size_t>(v)]; }
  Graph finish(ValueId hidden, ValueId logits) {
    graph_.hidden = hidden;
    graph_.logits = logits;
    return std::move(graph_);
  }

 private:
  ValueId append(Op op, int64_t width) {
    op.output = static_cast<ValueId>(graph_.width.size());
    graph_.width.push_back(width);
    graph_.ops.push_back(std::move(op));
    return graph_.ops.back().output;
  }
  const ModelDescription& d_;
  Graph graph_;
};

// Where positions join differs: BERT-like models normalise the sum of all tables and then project
// it (ELECTRA), the others project first (OPT 350m).
ValueId embedding(Builder& b, const ModelDescription& d) {
  ValueId x = b.input();
  if (d.token_types > 0) x = b.with_table(OpKind::add_row, Part::token_type_embedding, x);
  auto project = [&] {
    if (d.embedding_width != d.width) x = b.linear({Part::embedding_projection}, x, d.width);
  };
  if (!d.embedding_norm) project();
  if (d.position == PositionKind::learned) {
    x = b.with_table(OpKind::add_position, Part::position_embedding, x);
  }
  if (d.embedding_norm) {
    x = b.norm({Part::embedding_norm}, x);
    project();
  }
  return x;
}

ValueId attention(Builder& b, const ModelDescription& d, int64_t l, ValueId x) {
  ValueId q = b.linear({Part::query, l}, x, d.heads * d.head_width);
  ValueId k = b.linear({Part::key, l}, x, d.kv_heads * d.head_width);
  ValueId v = b.linear({Part::value, l}, x, d.kv_heads * d.head_width);
  if (d.query_key_norm_wide) {
    q = b.norm({Part::query_norm, l}, q);
    k = b.norm({Part::key_norm, l}, k);
  }
  if (d.query_key_norm) {
    q = b.head_norm({Part::query_norm, l}, q, d.heads);
    k = b.head_norm({Part::key_norm, l}, k, d.kv_heads);
  }
  if (d.position == PositionKind::rope && d.layer[static_cast<size_t>(l)].rotary) {
    q = b.rotate(l, q, d.heads);
    k = b.rotate(l, k, d.kv_heads);
  }
  ValueId a = b.linear({Part::attention_output, l}, b.attend(l, q, k, v), d.width);
  return d.norm_after ? b.norm({Part::attention_output_norm, l}, a) : a;
}

ValueId feed_forward(Builder& b, const ModelDescription& d, int64_t l, ValueId x) {
  ValueId f;
  if (d.layer[static_cast<size_t>(l)].experts) {
    f = b.mixture(l, x);
  } else {
    ValueId inner;
    if (d.gated) {
      ValueId g = b.linear({Part::gate, l}, x, d.ffn_width);
      inner = b.gate(g, b.linear({Part::up, l}, x, d.ffn_width));
    } else {
      inner = b.activate(b.linear({Part::up, l}, x, d.ffn_width));
    }
    f = b.linear({Part::down, l}, inner, d.width);
  }
  return d.norm_after ? b.norm({Part::ffn_output_norm, l}, f) : f;
}

ValueId layer(Builder& b, const ModelDescription& d, int64_t l, ValueId x) {
  ValueId h = d.norm_before ? b.norm({Part::attention_norm, l}, x) : x;
  ValueId a = attention(b, d, l, h);
  if (d.parallel) {
    ValueId f = feed_forward(b, d, l, d.parallel_one_norm ? h : b.norm({Part::ffn_norm, l}, x));
    return b.add(b.add(x, a, d.residual_scale), f, d.residual_scale);
  }
  x = b.add(x, a, d.residual_scale);
  if (d.norm_residual) x = b.norm({Part::attention_residual_norm, l}, x);
  h = d.norm_before ? b.norm({Part::ffn_norm, l}, x) : x;
  x = b.add(x, feed_forward(b, d, l, h), d.residual_scale);
  if (d.norm_residual) x = b.norm({Part::ffn_residual_norm, l}, x);
  return x;
}

}  // namespace

Graph transformer(const ModelDescription& d) {
  Builder b(d);
  ValueId x = embedding(b, d);
  for (int64_t l = 0; l < d.layers; ++l) x = layer(b, d, l, x);
  x = b.take_wanted(x);
  if (d.final_norm) x = b.norm({Part::final_norm}, x);
  const ValueId hidden = x;
  if (!d.decoder) return b.finish(hidden, -1);
  if (d.embedding_width != d.width) x = b.linear({Part::output_projection}, x, d.embedding_width);
  x = b.linear({d.tied ? Part::token_embedding : Part::output}, x, d.vocabulary);
  if (d.logit_scale != 1) x = b.of_value(OpKind::scale, x, d.logit_scale);
  if (d.logit_softcap != 0) x = b.of_value(OpKind::softcap, x, d.logit_softcap);
  return b.finish(hidden, x);
}

}  // namespace tessera
