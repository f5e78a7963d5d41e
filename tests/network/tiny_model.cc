#include "tests/network/tiny_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <tuple>

#include "tessera/files/quantise.h"
#include "tessera/network/engine.h"
#include "tessera/network/graph.h"
#include "tessera/network/rope.h"

namespace tessera::test {
namespace {

struct Stored {
  std::vector<std::byte> bytes;
  Parameter parameter;
};

// Draws a parameter the first time it is asked for.
class MemoryCheckpoint final : public Checkpoint {
 public:
  MemoryCheckpoint(const ModelDescription& d, uint64_t seed, DType type)
      : d_(d), seed_(seed), type_(type) {}

  Parameter weight(const Place& place) const override {
    const auto [rows, columns] = shape(place);
    return columns == 0 ? Parameter{}
                        : get(place, rows, columns, rows > 1 ? type_ : DType::f32, false);
  }
  Parameter bias(const Place& place) const override {
    if (place.part == Part::router || place.expert >= 0) return {};  // mixtures add none
    const auto [rows, columns] = shape(place);
    const bool norm = rows == 1 && place.part != Part::token_type_embedding;
    if (columns == 0 || (norm ? d_.norm == NormKind::rms : !biased_)) return {};
    return get(place, 1, norm ? columns : rows, DType::f32, true);
  }
  void release(const Parameter&) const override {}

 private:
  std::pair<int64_t, int64_t> shape(const Place& p) const {
    const int64_t d = d_.width, q = d_.heads * d_.head_width, kv = d_.kv_heads * d_.head_width;
    switch (p.part) {
      case Part::token_embedding:
        return {d_.vocabulary, d_.embedding_width};
      case Part::output:
        return {d_.tied ? 0 : d_.vocabulary, d_.tied ? 0 : d_.embedding_width};
      case Part::position_embedding:
        return {d_.position_rows, d_.embedding_norm ? d_.embedding_width : d};
      case Part::token_type_embedding:
        return {d_.token_types, d_.embedding_width};
      case Part::embedding_projection:
        return {d, d_.embedding_width};
      case Part::output_projection:
        return {d_.embedding_width, d};
      case Part::query:
        return {q, d};
      case Part::key:
      case Part::value:
        return {kv, d};
      case Part::attention_output:
        return {d, q};
      case Part::query_norm:
        return {1, d_.query_key_norm_wide ? q : d_.head_width};
      case Part::key_norm:
        return {1, d_.query_key_norm_wide ? kv : d_.head_width};
      case Part::gate:
      case Part::up:
        return {d_.ffn_width, d};
      case Part::down:
        return {d, d_.ffn_width};
      case Part::router:
        return {d_.experts, d};
      case Part::embedding_norm:
        return {1, d_.embedding_width};
      default:
        return {1, d};
    }
  }

  Parameter get(const Place& place, int64_t rows, int64_t columns, DType type, bool bias) const {
    const auto key = std::tuple(static_cast<int>(place.part), place.layer, place.expert, bias);
    auto it = store_.find(key);
    if (it == store_.end()) {
      std::mt19937_64 random(seed_ * 1000003 + static_cast<uint64_t>(std::get<0>(key)) * 7919 +
                             static_cast<uint64_t>(place.layer + 1) * 104729 +
                             static_cast<uint64_t>(place.expert + 1) * 1299709 + (bias ? 1 : 0));
      std::normal_distribution<float> draw(
          0, rows > 1 ? 1.5f / std::sqrt(static_cast<float>(columns)) : 0.2f);
      std::vector<float> values(static_cast<size_t>(rows * columns));
      for (float& v : values) v = draw(random) + (rows == 1 && !bias ? 1.f : 0.f);
      Stored s;
      s.bytes.resize(static_cast<size_t>(bytes_of(type, rows * columns)));
      quantise(type, values, s.bytes);
      s.parameter.module = s.parameter.tensor = "part " + std::to_string(std::get<0>(key));
      s.parameter.type = type;
      s.parameter.rows = s.parameter.stored_rows = rows;
      s.parameter.columns = columns;
      it = store_.emplace(key, std::move(s)).first;
    }
    Parameter p = it->second.parameter;
    p.data = it->second.bytes;
    return p;
  }

  ModelDescription d_;
  uint64_t seed_;
  DType type_;
  bool biased_ = true;
  mutable std::map<std::tuple<int, int64_t, int64_t, bool>, Stored> store_;
};

double activation(Activation kind, double x) {
  switch (kind) {
    case Activation::gelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::relu:
      return std::max(0.0, x);
    case Activation::relu_squared:
      return x > 0 ? x * x : 0;
    case Activation::quick_gelu:
      return x / (1 + std::exp(-1.702 * x));
  }
  return 0;
}

using Matrix = std::vector<std::vector<double>>;  // [rows][width]

class Naive {
 public:
  Naive(const ModelFiles& model, const std::vector<int32_t>& ids)
      : d_(model.description), checkpoint_(*model.checkpoint), ids_(ids), graph_(transformer(d_)) {}

  // Whose attention is kept in `weights`.   [heads][query][key]
  int64_t watched = -1;
  std::vector<Matrix> weights;
  AttentionChange change;

  Matrix run() {
    values_.resize(graph_.width.size());
    for (const Op& op : graph_.ops) values_[static_cast<size_t>(op.output)] = compute(op);
    return values_[static_cast<size_t>(graph_.logits >= 0 ? graph_.logits : graph_.hidden)];
  }

 private:
  std::vector<float> all(const Parameter& p) {
    return p.present() ? read_all(p) : std::vector<float>{};
  }

  std::vector<double> multiply(const Place& place, const std::vector<double>& x) {
    const Parameter p = checkpoint_.weight(place);
    auto& w = cached(place);
    const auto b = all(checkpoint_.bias(place));
    std::vector<double> y(static_cast<size_t>(p.rows));
    for (int64_t r = 0; r < p.rows; ++r) {
      double sum = b.empty() ? 0 : b[static_cast<size_t>(r)];
      for (int64_t k = 0; k < p.columns; ++k)
        sum += w[static_cast<size_t>(r * p.columns + k)] * x[static_cast<size_t>(k)];
      y[static_cast<size_t>(r)] = sum;
    }
    return y;
  }
  std::vector<float>& cached(const Place& p) {
    auto key = std::tuple(static_cast<int>(p.part), p.layer, p.expert);
    auto it = weights_.find(key);
    if (it == weights_.end()) it = weights_.emplace(key, read_all(checkpoint_.weight(p))).first;
    return it->second;
  }

  std::vector<double> norm(const std::vector<double>& x, size_t begin, size_t n,
                           const std::vector<float>& w, const std::vector<float>& b, bool rms) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < n && !rms; ++i) mean += x[begin + i] / static_cast<double>(n);
    for (size_t i = 0; i < n; ++i)
      square += (x[begin + i] - mean) * (x[begin + i] - mean) / static_cast<double>(n);
    std::vector<double> y(n);
    for (size_t i = 0; i < n; ++i) {
      y[i] = (x[begin + i] - mean) / std::sqrt(square + d_.norm_epsilon) *
                 (w[i] + d_.norm_weight_offset) +
             (b.empty() ? 0 : b[i]);
    }
    return y;
  }

  std::vector<double> rotated(const std::vector<double>& x, const Op& op, size_t position) {
    const LayerDescription& l = d_.layer[static_cast<size_t>(op.place.layer)];
    RopeTable table(l.rope_theta, d_.rotary_width, l.rope_scaled ? d_.rope_scaling : RopeScaling{},
                    d_.context);
    std::vector<double> y = x;
    const int64_t pairs = d_.rotary_width / 2;
    for (int64_t h = 0; h < op.heads; ++h) {
      for (int64_t i = 0; i < pairs; ++i) {
        const int64_t a = h * d_.head_width + (d_.rope_interleaved ? 2 * i : i);
        const int64_t b = d_.rope_interleaved ? a + 1 : a + pairs;
        const double angle =
            static_cast<double>(position) * table.frequencies()[static_cast<size_t>(i)];
        const double scale = std::sqrt(table.score_factor());
        y[static_cast<size_t>(a)] = scale * (x[static_cast<size_t>(a)] * std::cos(angle) -
                                             x[static_cast<size_t>(b)] * std::sin(angle));
        y[static_cast<size_t>(b)] = scale * (x[static_cast<size_t>(b)] * std::cos(angle) +
                                             x[static_cast<size_t>(a)] * std::sin(angle));
      }
    }
    return y;
  }

  Matrix attend(const Op& op) {
    const Matrix &q = in(op, 0), &k = in(op, 1), &v = in(op, 2);
    const int64_t group = d_.heads / d_.kv_heads, w = d_.head_width;
    const int64_t window = d_.layer[static_cast<size_t>(op.place.layer)].window;
    const double scale =
        d_.attention_scale != 0 ? d_.attention_scale : 1 / std::sqrt(static_cast<double>(w));
    const auto n = static_cast<int64_t>(q.size());
    Matrix out(q.size(), std::vector<double>(static_cast<size_t>(d_.heads * w)));
    if (op.place.layer == watched) weights.clear();
    for (int64_t h = 0; h < d_.heads; ++h) {
      Matrix map(q.size(), std::vector<double>(q.size()));
      for (int64_t i = 0; i < n; ++i) {
        std::vector<double> p;
        const int64_t end = d_.decoder ? i + 1 : n,
                      begin = window > 0 ? std::max<int64_t>(0, i + 1 - window) : 0;
        double top = -1e300, total = 0;
        for (int64_t j = begin; j < end; ++j) {
          double s = 0;
          for (int64_t x = 0; x < w; ++x) s += q[i][h * w + x] * k[j][h / group * w + x];
          s *= scale;
          if (d_.attention_softcap != 0)
            s = d_.attention_softcap * std::tanh(s / d_.attention_softcap);
          if (d_.position == PositionKind::alibi)
            s += alibi_slope(h, d_.heads) * d_.alibi_scale * static_cast<double>(j - i);
          p.push_back(s);
          top = std::max(top, s);
        }
        for (double& s : p) total += s = std::exp(s - top);
        for (int64_t j = begin; j < end; ++j) map[i][j] = p[j - begin] / total;
      }
      if (change) change(op.place.layer, h, map);
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          for (int64_t x = 0; x < w; ++x) out[i][h * w + x] += map[i][j] * v[j][h / group * w + x];
        }
      }
      if (op.place.layer == watched) weights.push_back(std::move(map));
    }
    return out;
  }

  std::vector<double> mixture(const Op& op, const std::vector<double>& x) {
    std::vector<double> p = unbiased(op.place, x);
    double top = *std::max_element(p.begin(), p.end()), total = 0;
    for (double& s : p) total += s = std::exp(s - top);
    std::vector<size_t> order(p.size());
    for (size_t e = 0; e < order.size(); ++e) order[e] = e;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] > p[b]; });
    order.resize(static_cast<size_t>(d_.experts_used));
    double chosen = 0;
    for (size_t e : order) chosen += p[e];
    std::vector<double> out(x.size());
    for (size_t e : order) {
      auto expert = static_cast<int64_t>(e);
      auto inner = unbiased({Part::up, op.place.layer, expert}, x);
      if (d_.gated) {
        auto g = unbiased({Part::gate, op.place.layer, expert}, x);
        for (size_t i = 0; i < g.size(); ++i) inner[i] *= activation(op.activation, g[i]);
      }
      auto y = unbiased({Part::down, op.place.layer, expert}, inner);
      const double weight = p[e] / (d_.experts_renormalised ? chosen : total);
      for (size_t i = 0; i < y.size(); ++i) out[i] += weight * y[i];
    }
    return out;
  }
  // Experts and their router have no biases.
  std::vector<double> unbiased(const Place& place, const std::vector<double>& x) {
    auto y = multiply(place, x);
    const auto b = all(checkpoint_.bias(place));
    for (size_t i = 0; i < b.size(); ++i) y[i] -= b[i];
    return y;
  }

  const Matrix& in(const Op& op, size_t i) { return values_[static_cast<size_t>(op.inputs[i])]; }

  Matrix compute(const Op& op) {
    if (op.kind == OpKind::input) {
      auto& table = cached({Part::token_embedding});
      Matrix out;
      for (int32_t id : ids_) {
        std::vector<double> row(static_cast<size_t>(d_.embedding_width));
        for (size_t i = 0; i < row.size(); ++i) {
          row[i] = table[static_cast<size_t>(id) * row.size() + i] * d_.embedding_scale;
        }
        out.push_back(std::move(row));
      }
      return out;
    }
    if (op.kind == OpKind::attend) return attend(op);
    Matrix out;
    for (size_t t = 0; t < ids_.size(); ++t) {
      std::vector<double> x = in(op, 0)[t];
      switch (op.kind) {
        case OpKind::linear:
          x = multiply(op.place, x);
          break;
        case OpKind::norm:
          x = norm(x, 0, x.size(), all(checkpoint_.weight(op.place)),
                   all(checkpoint_.bias(op.place)), d_.norm == NormKind::rms);
          break;
        case OpKind::head_norm: {
          const size_t w = x.size() / static_cast<size_t>(op.heads);
          std::vector<double> y;
          for (size_t h = 0; h < x.size(); h += w) {
            auto part = norm(x, h, w, all(checkpoint_.weight(op.place)), {}, true);
            y.insert(y.end(), part.begin(), part.end());
          }
          x = y;
          break;
        }
        case OpKind::rotate:
          x = rotated(x, op, t);
          break;
        case OpKind::activate:
          for (double& v : x) v = activation(op.activation, v);
          break;
        case OpKind::gate:
          for (size_t i = 0; i < x.size(); ++i)
            x[i] = activation(op.activation, x[i]) * in(op, 1)[t][i];
          break;
        case OpKind::add:
          for (size_t i = 0; i < x.size(); ++i) x[i] += op.scale * in(op, 1)[t][i];
          break;
        case OpKind::softcap:
          for (double& v : x) v = op.scale * std::tanh(v / op.scale);
          break;
        case OpKind::scale:
          for (double& v : x) v *= op.scale;
          break;
        case OpKind::add_position:
        case OpKind::add_row: {
          const size_t row =
              op.kind == OpKind::add_row ? 0 : t + static_cast<size_t>(d_.position_offset);
          for (size_t i = 0; i < x.size(); ++i) x[i] += cached(op.place)[row * x.size() + i];
          break;
        }
        case OpKind::mixture:
          x = mixture(op, x);
          break;
        default:
          break;
      }
      out.push_back(std::move(x));
    }
    return out;
  }

  ModelDescription d_;
  const Checkpoint& checkpoint_;
  const std::vector<int32_t>& ids_;
  Graph graph_;
  std::vector<Matrix> values_;
  std::map<std::tuple<int, int64_t, int64_t>, std::vector<float>> weights_;
};

}  // namespace

ModelFiles tiny_model(const ModelDescription& d, uint64_t seed, DType type) {
  ModelFiles files;
  files.description = d;
  files.checkpoint = std::make_shared<MemoryCheckpoint>(d, seed, type);
  return files;
}

std::vector<std::vector<double>> naive_forward(const ModelFiles& model,
                                               const std::vector<int32_t>& ids,
                                               const AttentionChange& change) {
  Naive naive(model, ids);
  naive.change = change;
  return naive.run();
}

std::vector<std::vector<std::vector<double>>> naive_attention(const ModelFiles& model,
                                                              const std::vector<int32_t>& ids,
                                                              int64_t layer) {
  Naive naive(model, ids);
  naive.watched = layer;
  naive.run();
  return naive.weights;
}

std::vector<float> run_pieces(Network& network, const std::vector<int32_t>& ids,
                              const std::vector<int64_t>& cut, const std::string& policy) {
  const ModelDescription& d = network.description();
  std::unique_ptr<Past> past = d.decoder ? network.new_past(policy) : nullptr;
  const int64_t out_width = d.decoder ? d.vocabulary : d.width;
  std::vector<float> vectors(ids.size() * static_cast<size_t>(d.embedding_width));
  std::vector<float> out(ids.size() * static_cast<size_t>(out_width));
  network.embed(ids, vectors);
  int64_t at = 0;
  const auto n = static_cast<int64_t>(ids.size());
  for (size_t i = 0; at < n; ++i) {
    Segment s;
    s.past = past.get();
    s.count = s.wanted = i < cut.size() ? std::min(cut[i], n - at) : n - at;
    s.vectors = std::span(vectors).subspan(static_cast<size_t>(at * d.embedding_width),
                                           static_cast<size_t>(s.count * d.embedding_width));
    auto to = std::span(out).subspan(static_cast<size_t>(at * out_width),
                                     static_cast<size_t>(s.count * out_width));
    (d.decoder ? s.logits : s.hidden) = to;
    network.forward({&s, 1});
    at += s.count;
  }
  return out;
}

std::vector<int32_t> random_ids(uint64_t seed, int64_t count, int64_t vocabulary) {
  std::mt19937_64 random(seed);
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % static_cast<uint64_t>(vocabulary));
  return ids;
}

}  // namespace tessera::test
