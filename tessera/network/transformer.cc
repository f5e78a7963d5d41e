#include <utility>

#include "tessera/network/graph.h"

namespace tessera {
namespace {

// Appends operations and hands out values.
class Builder {
 public:
  explicit Builder(const ModelDescription& d) : d_(d) {}

  Value input() { return append({.kind = OpKind::input, .inputs = {}}, d_.embedding_width); }
  Value linear(Place place, Value x, int64_t width) {
    return append({.kind = OpKind::linear, .place = place, .inputs = {x}}, width);
  }
  Value norm(Place place, Value x) {
    return append({.kind = OpKind::norm, .place = place, .inputs = {x}}, width(x));
  }
  Value head_norm(Place place, Value x, int64_t heads) {
    return append({.kind = OpKind::head_norm, .place = place, .inputs = {x}, .heads = heads},
                  width(x));
  }
  Value rotate(int64_t layer, Value x, int64_t heads) {
    return append(
        {.kind = OpKind::rotate, .place = {Part::query, layer}, .inputs = {x}, .heads = heads},
        width(x));
  }
  Value attend(int64_t layer, Value q, Value k, Value v) {
    return append({.kind = OpKind::attend,
                   .place = {Part::query, layer},
                   .inputs = {q, k, v},
                   .heads = d_.heads},
                  width(q));
  }
  Value activate(Value x) {
    return append({.kind = OpKind::activate, .inputs = {x}, .activation = d_.activation}, width(x));
  }
  Value gate(Value a, Value b) {
    return append({.kind = OpKind::gate, .inputs = {a, b}, .activation = d_.activation}, width(a));
  }
  Value add(Value a, Value b, double scale = 1) {
    return append({.kind = OpKind::add, .inputs = {a, b}, .scale = scale}, width(a));
  }
  Value of_value(OpKind kind, Value x, double scale) {
    return append({.kind = kind, .inputs = {x}, .scale = scale}, width(x));
  }
  Value with_table(OpKind kind, Part table, Value x) {
    return append({.kind = kind, .place = {.part = table}, .inputs = {x}}, width(x));
  }
  Value mixture(int64_t layer, Value x) {
    return append({.kind = OpKind::mixture,
                   .place = {Part::router, layer},
                   .inputs = {x},
                   .activation = d_.activation},
                  width(x));
  }
  Value take_wanted(Value x) {
    return append({.kind = OpKind::take_wanted, .inputs = {x}}, width(x));
  }

  int64_t width(Value v) const { return graph_.width[static_cast<size_t>(v)]; }
  Graph finish(Value hidden, Value logits) {
    graph_.hidden = hidden;
    graph_.logits = logits;
    return std::move(graph_);
  }

 private:
  Value append(Op op, int64_t width) {
    op.output = static_cast<Value>(graph_.width.size());
    graph_.width.push_back(width);
    graph_.ops.push_back(std::move(op));
    return graph_.ops.back().output;
  }
  const ModelDescription& d_;
  Graph graph_;
};

// Where positions join differs: BERT-like models normalise the sum of all tables and then project
// it (ELECTRA), the others project first (OPT 350m).
Value embedding(Builder& b, const ModelDescription& d) {
  Value x = b.input();
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

Value attention(Builder& b, const ModelDescription& d, int64_t l, Value x) {
  Value q = b.linear({Part::query, l}, x, d.heads * d.head_width);
  Value k = b.linear({Part::key, l}, x, d.kv_heads * d.head_width);
  Value v = b.linear({Part::value, l}, x, d.kv_heads * d.head_width);
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
  Value a = b.linear({Part::attention_output, l}, b.attend(l, q, k, v), d.width);
  return d.norm_after ? b.norm({Part::attention_output_norm, l}, a) : a;
}

Value feed_forward(Builder& b, const ModelDescription& d, int64_t l, Value x) {
  Value f;
  if (d.layer[static_cast<size_t>(l)].experts) {
    f = b.mixture(l, x);
  } else {
    Value inner;
    if (d.gated) {
      Value g = b.linear({Part::gate, l}, x, d.ffn_width);
      inner = b.gate(g, b.linear({Part::up, l}, x, d.ffn_width));
    } else {
      inner = b.activate(b.linear({Part::up, l}, x, d.ffn_width));
    }
    f = b.linear({Part::down, l}, inner, d.width);
  }
  return d.norm_after ? b.norm({Part::ffn_output_norm, l}, f) : f;
}

Value layer(Builder& b, const ModelDescription& d, int64_t l, Value x) {
  Value h = d.norm_before ? b.norm({Part::attention_norm, l}, x) : x;
  Value a = attention(b, d, l, h);
  if (d.parallel) {
    Value f = feed_forward(b, d, l, d.parallel_one_norm ? h : b.norm({Part::ffn_norm, l}, x));
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
  Value x = embedding(b, d);
  for (int64_t l = 0; l < d.layers; ++l) x = layer(b, d, l, x);
  x = b.take_wanted(x);
  if (d.final_norm) x = b.norm({Part::final_norm}, x);
  const Value hidden = x;
  if (!d.decoder) return b.finish(hidden, -1);
  if (d.embedding_width != d.width) x = b.linear({Part::output_projection}, x, d.embedding_width);
  x = b.linear({d.tied ? Part::token_embedding : Part::output}, x, d.vocabulary);
  if (d.logit_scale != 1) x = b.of_value(OpKind::scale, x, d.logit_scale);
  if (d.logit_softcap != 0) x = b.of_value(OpKind::softcap, x, d.logit_softcap);
  return b.finish(hidden, x);
}

}  // namespace tessera
