#include "tessera/torch/torch_network.h"

#include <cmath>
#include <cstring>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"
#include "tessera/network/rope.h"

namespace tessera {
namespace {

at::Tensor activation(Activation kind, const at::Tensor& x) {
  switch (kind) {
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::silu:
      return at::silu(x);
    case Activation::relu:
      return at::relu(x);
    case Activation::relu_squared:
      return at::relu(x).square();
    case Activation::quick_gelu:
      return x * at::sigmoid(1.702 * x);
  }
  return x;
}

// The device of that name. Throws Error when this libtorch or this machine does not have it.
at::Device device_of(const std::string& name) {
  const auto refused = [&](const std::string& fault) {
    return Error("--device " + name, fault, "Take --device cpu, or none for the engine.");
  };
  try {
    if (name != "cpu" && name != "cuda" && !name.starts_with("cuda:")) {
      throw refused("is neither cpu nor cuda");
    }
    const at::Device device(name);
    if (device.is_cuda()) {
      if (!at::globalContext().hasCUDA()) {
        throw refused(
            "this libtorch finds no CUDA: it was built without it, or there is no driver");
      }
      at::empty({1},
                at::TensorOptions(device));  // a number that is too high, a device that is lost
    }
    return device;
  } catch (const c10::Error& e) {
    throw refused(std::string("libtorch: ") + e.what_without_backtrace());
  }
}

// What libtorch throws becomes an Error with our place in it.
template <class Call>
auto translated(const char* where, Call call) {
  try {
    return call();
  } catch (const c10::Error& e) {
    throw Error(where, std::string("libtorch: ") + e.what_without_backtrace());
  }
}

}  // namespace

TorchPast::TorchPast(int64_t layers, std::unique_ptr<ContextPolicy> policy)
    : policy_(std::move(policy)),
      keys_(static_cast<size_t>(layers)),
      values_(static_cast<size_t>(layers)) {}

TorchPast::TorchPast(const TorchPast& other)
    : Past(),
      length_(other.length_),
      policy_(other.policy_->clone()),
      keys_(other.keys_),
      values_(other.values_),
      counted_(other.counted_) {}

void TorchPast::truncate(int64_t length) {
  length_ = length;
  for (auto* list : {&keys_, &values_}) {
    for (at::Tensor& t : *list) {
      if (t.defined()) t = t.narrow(0, 0, length);
    }
  }
}

PastCounters TorchPast::counters() const {
  PastCounters c = counted_;
  c.tokens_seen = length_;
  for (const at::Tensor& t : keys_) {
    if (!t.defined()) continue;
    c.entries_resident += t.size(0) * t.size(1);
    c.bytes_resident += 2 * t.numel() * static_cast<int64_t>(t.element_size());
  }
  return c;
}

TorchNetwork::TorchNetwork(const ModelFiles& model, const std::string& device)
    : description_(model.description),
      checkpoint_(model.checkpoint),
      graph_(transformer(model.description)),
      device_(device_of(device)) {
  const ModelDescription& d = description_;
  geometry_ = {d.layers,     d.heads,   d.kv_heads,
               d.head_width, d.context, d.position == PositionKind::rope,
               false};
  for (const LayerDescription& l : d.layer) {
    geometry_.rotary = geometry_.rotary && l.rotary;
    geometry_.windowed = geometry_.windowed || l.window > 0;
  }
  translated("weights", [&] {
    load({Part::token_embedding});
    for (const Op& op : graph_.ops) {
      switch (op.kind) {
        case OpKind::linear:
        case OpKind::norm:
        case OpKind::head_norm:
        case OpKind::add_position:
        case OpKind::add_row:
          load(op.place);
          break;
        case OpKind::mixture:
          load(op.place);
          for (int64_t e = 0; e < d.experts; ++e) {
            if (d.gated) load({Part::gate, op.place.layer, e});
            load({Part::up, op.place.layer, e});
            load({Part::down, op.place.layer, e});
          }
          break;
        default:
          break;
      }
    }
    return 0;
  });
}

void TorchNetwork::load(const Place& place) {
  const Key key{static_cast<int>(place.part), place.layer, place.expert};
  if (weights_.count(key)) return;
  auto tensor = [&](const Parameter& p, bool matrix) {
    const std::vector<float> values = read_all(p);
    at::Tensor t = at::empty(
        matrix ? std::vector<int64_t>{p.rows, p.columns} : std::vector<int64_t>{p.rows * p.columns},
        at::kFloat);
    std::memcpy(t.data_ptr<float>(), values.data(), values.size() * sizeof(float));
    return t.to(device_);
  };
  const bool norm = place.part == Part::query_norm || place.part == Part::key_norm;
  const Parameter w = checkpoint_->weight(place), b = checkpoint_->bias(place);
  if (!w.present())
    throw Error("model", "lacks a parameter that its description asks for",
                "The file is not complete.");
  weights_[key] = tensor(w, !norm && w.rows > 1);
  if (b.present()) biases_[key] = tensor(b, false);
  auto name = [&](const std::string& suffix) {
    std::string n = w.module + suffix;
    if (by_name_.count(n)) n.append("#").append(std::to_string(static_cast<int>(place.part)));
    return n;
  };
  by_name_[name(".weight")] = weights_[key];
  if (b.present()) by_name_[name(".bias")] = biases_[key];
}

at::Tensor TorchNetwork::weight(const Place& p) {
  return weights_.at({static_cast<int>(p.part), p.layer, p.expert});
}
at::Tensor TorchNetwork::bias(const Place& p) {
  auto it = biases_.find({static_cast<int>(p.part), p.layer, p.expert});
  return it == biases_.end() ? at::Tensor() : it->second;
}

std::unique_ptr<Past> TorchNetwork::new_past(const std::string& policy) {
  auto guest = make_guest<ContextPolicy>(policy);
  guest->attach(geometry_);
  return std::make_unique<TorchPast>(description_.layers, std::move(guest));
}

at::Tensor TorchNetwork::norm(const Op& op, const at::Tensor& x, int64_t width) {
  const at::Tensor w = weight(op.place) + description_.norm_weight_offset;
  if (description_.norm == NormKind::layer && op.kind == OpKind::norm) {
    return at::layer_norm(x, {width}, w.flatten(), bias(op.place), description_.norm_epsilon);
  }
  const at::Tensor scale = at::rsqrt(x.square().mean(-1, true) + description_.norm_epsilon);
  return x * scale * w.flatten();
}

at::Tensor TorchNetwork::rotate(const Op& op, const at::Tensor& x, const at::Tensor& positions) {
  const ModelDescription& d = description_;
  const LayerDescription& l = d.layer[static_cast<size_t>(op.place.layer)];
  const RopeTable table(l.rope_theta, d.rotary_width,
                        l.rope_scaled ? d.rope_scaling : RopeScaling{}, d.context);
  const at::Tensor frequencies = at::tensor(table.frequencies(), at::kDouble);
  const at::Tensor angles =
      positions.to(at::kCPU, at::kDouble).unsqueeze(1) * frequencies.unsqueeze(0);
  const at::Tensor c = angles.cos().to(at::kFloat).to(device_).unsqueeze(1);
  const at::Tensor s = angles.sin().to(at::kFloat).to(device_).unsqueeze(1);
  const at::Tensor heads = x.view({x.size(0), op.heads, -1});
  const at::Tensor turned = heads.narrow(2, 0, d.rotary_width);
  const at::Tensor rest = heads.narrow(2, d.rotary_width, heads.size(2) - d.rotary_width);
  at::Tensor out;
  if (d.rope_interleaved) {
    const at::Tensor pairs = turned.reshape({x.size(0), op.heads, -1, 2});
    const at::Tensor a = pairs.select(3, 0), b = pairs.select(3, 1);
    out = at::stack({a * c - b * s, b * c + a * s}, 3).reshape(turned.sizes());
  } else {
    const int64_t half = d.rotary_width / 2;
    const at::Tensor a = turned.narrow(2, 0, half), b = turned.narrow(2, half, half);
    out = at::cat({a * c - b * s, b * c + a * s}, 2);
  }
  return at::cat({out, rest}, 2).reshape(x.sizes());
}

at::Tensor TorchNetwork::attend(const Op& op, const at::Tensor& q, const at::Tensor& k,
                                const at::Tensor& v, const at::Tensor& positions, TorchPast* past,
                                int64_t sequences) {
  const ModelDescription& d = description_;
  const LayerDescription& l = d.layer[static_cast<size_t>(op.place.layer)];
  const int64_t rows = q.size(0), n = rows / sequences, w = d.head_width,
                group = d.heads / d.kv_heads;
  at::Tensor keys = k.view({rows, d.kv_heads, w}), values = v.view({rows, d.kv_heads, w});
  int64_t before = 0;
  if (past) {
    auto& held_keys = past->keys_[static_cast<size_t>(op.place.layer)];
    auto& held_values = past->values_[static_cast<size_t>(op.place.layer)];
    before = past->length_;
    if (held_keys.defined() && before > 0) {
      keys = at::cat({held_keys, keys}, 0);
      values = at::cat({held_values, values}, 0);
    }
    held_keys = keys;
    held_values = values;
    if (!past->policy_->attends_everything())
      return attend_selected(op, q, keys, values, positions, past);
  }
  double scale = d.attention_scale != 0 ? d.attention_scale : 1 / std::sqrt(static_cast<double>(w));
  at::Tensor queries = q.view({rows, d.heads, w});
  if (d.position == PositionKind::rope && l.rotary) {
    const RopeTable table(l.rope_theta, d.rotary_width,
                          l.rope_scaled ? d.rope_scaling : RopeScaling{}, d.context);
    if (table.score_factor() != 1) {
      queries = at::cat({queries.narrow(2, 0, d.rotary_width) * table.score_factor(),
                         queries.narrow(2, d.rotary_width, w - d.rotary_width)},
                        2);
    }
  }
  const int64_t entries = keys.size(0) / sequences;
  // [sequences, heads, n or entries, w]; a KV head stands before all of its query heads.
  const auto by_head = [&](const at::Tensor& t, int64_t count) {
    const at::Tensor each = t.view({sequences, count, -1, w}).transpose(1, 2);
    return each.size(1) == d.heads ? each : each.repeat_interleave(group, 1);
  };
  at::Tensor scores = at::matmul(by_head(queries, n), by_head(keys, entries).transpose(2, 3)) *
                      scale;  // [sequences, heads, n, entries]
  if (d.attention_softcap != 0)
    scores = d.attention_softcap * at::tanh(scores / d.attention_softcap);
  const at::Tensor i =
      at::arange(before, before + n, at::TensorOptions(at::kLong).device(device_)).unsqueeze(1);
  const at::Tensor j =
      at::arange(entries, at::TensorOptions(at::kLong).device(device_)).unsqueeze(0);
  if (d.position == PositionKind::alibi) {
    std::vector<double> slopes;
    for (int64_t h = 0; h < d.heads; ++h) slopes.push_back(alibi_slope(h, d.heads) * d.alibi_scale);
    const at::Tensor m = at::tensor(slopes, at::kFloat).to(device_).view({1, d.heads, 1, 1});
    const at::Tensor from = positions.view({sequences, 1, n, 1});
    scores = scores + m * (j - from).to(at::kFloat);
  }
  at::Tensor hidden;
  if (d.decoder) hidden = j > i;
  if (l.window > 0) hidden = at::logical_or(hidden, j <= i - l.window);
  if (hidden.defined()) {
    scores = scores.masked_fill(hidden, -std::numeric_limits<float>::infinity());
  }
  return at::matmul(at::softmax(scores, -1), by_head(values, entries))
      .transpose(1, 2)
      .reshape({rows, d.heads * w});
}

// Any policy, query by query: slow, and the reference for faster ways.
at::Tensor TorchNetwork::attend_selected(const Op& op, const at::Tensor& q, const at::Tensor& keys,
                                         const at::Tensor& values, const at::Tensor& positions,
                                         TorchPast* past) {
  const ModelDescription& d = description_;
  const int64_t n = q.size(0), w = d.head_width, group = d.heads / d.kv_heads,
                before = past->length_;
  const double scale =
      d.attention_scale != 0 ? d.attention_scale : 1 / std::sqrt(static_cast<double>(w));
  const at::Tensor host = q.detach().to(at::kCPU).contiguous();
  std::vector<at::Tensor> rows;
  std::vector<Run> runs;
  for (int64_t t = 0; t < n; ++t) {
    std::vector<at::Tensor> heads;
    const auto position = positions[t].item<int64_t>();
    for (int64_t h = 0; h < d.kv_heads; ++h) {
      runs.clear();
      const float* own = host.data_ptr<float>() + t * d.heads * w + h * group * w;
      past->policy_->select(
          {op.place.layer, h, before + t, position, {own, static_cast<size_t>(group * w)}}, runs);
      const at::Tensor mine = q[t].view({d.heads, w}).narrow(0, h * group, group);
      std::vector<at::Tensor> scores, seen;
      for (const Run& run : runs) {
        Op turn = op;
        turn.heads = group;
        const int64_t by = run.query_position - position;
        at::Tensor from = mine;
        if (by != 0 && d.position == PositionKind::rope) {
          from = rotate(turn, mine.reshape({1, group * w}), at::full({1}, by, at::kLong))
                     .view({group, w});
        }
        scores.push_back(
            at::matmul(from, keys.narrow(0, run.begin, run.end - run.begin).select(1, h).t()) *
            scale);
        seen.push_back(values.narrow(0, run.begin, run.end - run.begin).select(1, h));
        past->counted_.keys_read += run.end - run.begin;
      }
      past->counted_.keys_possible += before + t + 1;
      ++past->counted_.steps;
      heads.push_back(at::matmul(at::softmax(at::cat(scores, 1), -1), at::cat(seen, 0)).flatten());
    }
    rows.push_back(at::cat(heads, 0));
  }
  return at::stack(rows, 0);
}

at::Tensor TorchNetwork::mixture(const Op& op, const at::Tensor& x) {
  const ModelDescription& d = description_;
  at::Tensor p = at::softmax(at::linear(x, weight(op.place)), -1);
  auto [gates, chosen] = at::topk(p, d.experts_used, -1);
  if (d.experts_renormalised) gates = gates / gates.sum(-1, true);
  const at::Tensor share = at::zeros_like(p).scatter(1, chosen, gates);  // [n, experts]
  at::Tensor out = at::zeros_like(x);
  for (int64_t e = 0; e < d.experts; ++e) {
    const at::Tensor rows = share.select(1, e).nonzero().flatten();
    if (rows.numel() == 0) continue;
    const at::Tensor mine = x.index_select(0, rows);
    at::Tensor inner = at::linear(mine, weight({Part::up, op.place.layer, e}));
    inner = d.gated ? activation(op.activation,
                                 at::linear(mine, weight({Part::gate, op.place.layer, e}))) *
                          inner
                    : activation(op.activation, inner);
    const at::Tensor y = at::linear(inner, weight({Part::down, op.place.layer, e}));
    out = out.index_add(0, rows, y * share.select(1, e).index_select(0, rows).unsqueeze(1));
  }
  return out;
}

at::Tensor TorchNetwork::compute(const Op& op, const std::vector<at::Tensor>& in,
                                 const at::Tensor& positions, TorchPast* past, int64_t sequences) {
  const at::Tensor& x = in[0];
  switch (op.kind) {
    case OpKind::linear:
      return at::linear(x, weight(op.place), bias(op.place));
    case OpKind::norm:
      return norm(op, x, x.size(1));
    case OpKind::head_norm: {
      const at::Tensor heads = x.view({x.size(0), op.heads, -1});
      return norm(op, heads, heads.size(2)).reshape(x.sizes());
    }
    case OpKind::rotate:
      return rotate(op, x, positions);
    case OpKind::attend:
      return attend(op, in[0], in[1], in[2], positions, past, sequences);
    case OpKind::activate:
      return activation(op.activation, x);
    case OpKind::gate:
      return activation(op.activation, x) * in[1];
    case OpKind::add:
      return x + op.scale * in[1];
    case OpKind::softcap:
      return op.scale * at::tanh(x / op.scale);
    case OpKind::scale:
      return x * op.scale;
    case OpKind::add_position:
      return x + at::embedding(weight(op.place), positions + description_.position_offset);
    case OpKind::add_row: {
      const at::Tensor table = weight(op.place);
      return x + (table.dim() == 2 ? table[0] : table);
    }
    case OpKind::mixture:
      return mixture(op, x);
    case OpKind::input:
    case OpKind::take_wanted:
      return x;
  }
  return x;
}

TorchNetwork::Output TorchNetwork::run(const at::Tensor& vectors, const at::Tensor& positions,
                                       TorchPast* past, int64_t sequences) {
  if (sequences < 1 || vectors.size(0) % sequences != 0 || (past && sequences > 1)) {
    throw Error("libtorch", "rows that are no texts of equal length, or several texts of one past");
  }
  std::vector<at::Tensor> values(graph_.width.size());
  for (const Op& op : graph_.ops) {
    std::vector<at::Tensor> in;
    for (ValueId v : op.inputs) in.push_back(values[static_cast<size_t>(v)]);
    values[static_cast<size_t>(op.output)] =
        op.kind == OpKind::input ? vectors : compute(op, in, positions, past, sequences);
  }
  if (past) past->length_ += vectors.size(0);
  return {values[static_cast<size_t>(graph_.hidden)],
          graph_.logits >= 0 ? values[static_cast<size_t>(graph_.logits)] : at::Tensor()};
}

at::Tensor TorchNetwork::embed(const at::Tensor& ids) {
  return at::embedding(weight({Part::token_embedding}), ids.to(device_)) *
         description_.embedding_scale;
}

void TorchNetwork::embed(std::span<const int32_t> ids, std::span<float> out) {
  for (int32_t id : ids) {
    if (id < 0 || id >= description_.vocabulary) {
      throw Error(
          "token id " + std::to_string(id),
          "is outside the embedding table of " + std::to_string(description_.vocabulary) + " rows");
    }
  }
  translated("embed", [&] {
    c10::NoGradGuard no_gradients;
    at::Tensor t = at::empty({static_cast<int64_t>(ids.size())}, at::kLong);
    for (size_t i = 0; i < ids.size(); ++i) t.data_ptr<int64_t>()[i] = ids[i];
    const at::Tensor rows = embed(t).to(at::kCPU).contiguous();
    std::memcpy(out.data(), rows.data_ptr<float>(), out.size() * sizeof(float));
    return 0;
  });
}

void TorchNetwork::forward(std::span<const Segment> batch) {
  translated("forward", [&] {
    c10::NoGradGuard no_gradients;
    for (const Segment& s : batch) {
      if (!s.parents.empty())
        throw Error("segment", "a tree of alternatives runs on the engine only");
      auto* past = static_cast<TorchPast*>(s.past);
      const int64_t start = past ? past->length_ : 0;
      const at::Tensor vectors = at::from_blob(const_cast<float*>(s.vectors.data()),
                                               {s.count, description_.embedding_width}, at::kFloat)
                                     .to(device_);
      at::Tensor positions =
          at::arange(start, start + s.count, at::TensorOptions(at::kLong).device(device_));
      for (size_t i = 0; i < s.positions.size(); ++i)
        positions[static_cast<int64_t>(i)] = s.positions[i];
      const Output out = run(vectors, positions, past);
      auto deliver = [&](const at::Tensor& from, std::span<float> to) {
        if (to.empty()) return;
        const at::Tensor rows =
            from.narrow(0, s.count - s.wanted, s.wanted).to(at::kCPU).contiguous();
        std::memcpy(to.data(), rows.data_ptr<float>(),
                    static_cast<size_t>(rows.numel()) * sizeof(float));
      };
      deliver(out.hidden, s.hidden);
      if (out.logits.defined()) deliver(out.logits, s.logits);
    }
    return 0;
  });
}

}  // namespace tessera
