#include "tessera/network/plan.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/base/pool.h"
#include "tessera/network/floor.h"

namespace tessera {
namespace {

int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

Parameter required(Parameter p, const char* what, const Place& place) {
  if (p.present()) return p;
  throw Error("model",
              std::string("has no ") + what + " for part " +
                  std::to_string(static_cast<int>(place.part)) + " of layer " +
                  std::to_string(place.layer),
              "The file is not complete.");
}

}  // namespace

// Walks the graph once. Values get buffers that are taken over by later values when their last
// reader is done; row operations join the stage before them, products of the same rows join one
// stage.
class Compiler {
 public:
  Compiler(Plan& plan, const ModelDescription& d, const Checkpoint& checkpoint)
      : plan_(plan), d_(d), checkpoint_(checkpoint), graph_(transformer(d)) {}

  void compile() {
    plan_.weights_ = {};
    declare_weights();
    plan_.weights_.load(checkpoint_);
    values_.resize(graph_.width.size());
    last_use_.assign(graph_.width.size(), -1);
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      for (ValueId v : graph_.ops[i].inputs)
        last_use_[static_cast<size_t>(v)] = static_cast<int64_t>(i);
    }
    const auto forever = static_cast<int64_t>(graph_.ops.size());
    last_use_[static_cast<size_t>(graph_.hidden)] = forever;
    if (graph_.logits >= 0) last_use_[static_cast<size_t>(graph_.logits)] = forever;
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      compile_op(graph_.ops[i]);
      for (ValueId v : graph_.ops[i].inputs) {
        // Other rows are still being gathered from it while the next operation runs.
        const bool gathered = graph_.ops[i].kind == OpKind::take_wanted;
        if (last_use_[static_cast<size_t>(v)] == static_cast<int64_t>(i) && !gathered) free(v);
      }
    }
    plan_.hidden_ = rows(graph_.hidden);
    plan_.logits_ = graph_.logits >= 0 ? rows(graph_.logits) : nullptr;
  }

 private:
  static bool is_matrix(OpKind k) { return k == OpKind::linear || k == OpKind::mixture; }

  void declare_weights() {
    for (const Op& op : graph_.ops) {
      if (op.kind == OpKind::linear) {
        required(checkpoint_.weight(op.place), "weight", op.place);
        numbers_.push_back(plan_.weights_.declare(checkpoint_, op.place));
      } else if (op.kind == OpKind::mixture) {
        numbers_.push_back(plan_.weights_.declare(checkpoint_, op.place));
        for (int64_t e = 0; e < d_.experts; ++e) {
          for (Part part : {Part::gate, Part::up, Part::down}) {
            if (part == Part::gate && !d_.gated) continue;
            const Place place{part, op.place.layer, e};
            required(checkpoint_.weight(place), "weight", place);
            plan_.weights_.declare(checkpoint_, place);
          }
        }
      }
    }
  }

  Rows* rows(ValueId v) {
    return &plan_.slots_[static_cast<size_t>(values_[static_cast<size_t>(v)])].rows;
  }

  Rows* allocate(ValueId v) {
    const int64_t width = graph_.width[static_cast<size_t>(v)];
    for (size_t i = 0; i < free_.size(); ++i) {
      auto& slot = plan_.slots_[static_cast<size_t>(free_[i])];
      if (slot.wanted == in_head_ && slot.rows.width == width) {
        values_[static_cast<size_t>(v)] = free_[i];
        free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
        return rows(v);
      }
    }
    plan_.slots_.push_back({{nullptr, width, round_up(width, 16) + 16}, in_head_});
    values_[static_cast<size_t>(v)] = static_cast<int64_t>(plan_.slots_.size()) - 1;
    return rows(v);
  }
  void free(ValueId v) { free_.push_back(values_[static_cast<size_t>(v)]); }

  std::vector<std::unique_ptr<Stage>>& stages() { return in_head_ ? plan_.head_ : plan_.body_; }

  RowStage& row_stage() {
    auto& list = stages();
    auto* last = list.empty() ? nullptr : dynamic_cast<RowStage*>(list.back().get());
    if (!last) {
      list.push_back(std::make_unique<RowStage>(in_head_));
      last = static_cast<RowStage*>(list.back().get());
    }
    return *last;
  }

  // The quantised form of `v`; made by a row operation unless it is there already. There is one
  // buffer a kind, because every product reads its input right after it was quantised.
  const Tiles* quantised(ValueId v, Activations kind) {
    const int64_t columns = graph_.width[static_cast<size_t>(v)];
    int64_t found = -1;
    for (size_t i = 0; i < plan_.tiles_.size(); ++i) {
      if (plan_.tile_columns_[i] == columns && plan_.tile_wanted_[i] == in_head_ &&
          plan_.tiles_[i].activations == kind) {
        found = static_cast<int64_t>(i);
      }
    }
    if (found < 0) {
      plan_.tiles_.push_back({nullptr, tile_bytes(kind, kTileTokens, columns), kind});
      plan_.tile_columns_.push_back(columns);
      plan_.tile_wanted_.push_back(in_head_);
      found = static_cast<int64_t>(plan_.tiles_.size()) - 1;
      tile_value_.push_back(-1);
    }
    Tiles* tiles = &plan_.tiles_[static_cast<size_t>(found)];
    if (tile_value_[static_cast<size_t>(found)] != v) {
      row_stage().ops.push_back({.kind = RowOpKind::quantise, .a = rows(v), .tiles = tiles});
      tile_value_[static_cast<size_t>(found)] = v;
    }
    return tiles;
  }

  Activations kind_into(Part part) const { return activations_into(part, plan_.activations_); }

  const float* vector(Parameter p, const char* what, const Place& place) {
    return plan_.weights_.vector(required(std::move(p), what, place));
  }

  void compile_linear(const Op& op) {
    const int64_t number = numbers_[next_number_++];
    const PackedMatrix& m = plan_.weights_.matrix(number);
    const ValueId in = op.inputs[0];
    const Tiles* tiles =
        takes_quantised(m.packing) ? quantised(in, kind_into(op.place.part)) : nullptr;
    auto& list = stages();
    auto* stage = list.empty() ? nullptr : dynamic_cast<LinearStage*>(list.back().get());
    const bool joins =
        stage && stage->in() == rows(in) && linear_value_ == in && stage->tiles() == tiles;
    if (!joins) {
      list.push_back(std::make_unique<LinearStage>(rows(in), tiles, in_head_));
      stage = static_cast<LinearStage*>(list.back().get());
      linear_value_ = in;
    }
    const Parameter bias = checkpoint_.bias(op.place);
    stage->parts.push_back(
        {m, bias.present() ? plan_.weights_.vector(bias) : nullptr, allocate(op.output)});
    stage->places.push_back(op.place);
    stage->modules.push_back(plan_.weights_.module(number));
  }

  void compile_mixture(const Op& op) {
    const PackedMatrix& router = plan_.weights_.matrix(numbers_[next_number_++]);
    const Tiles* tiles = takes_quantised(router.packing)
                             ? quantised(op.inputs[0], kind_into(Part::router))
                             : nullptr;
    if (plan_.mixture_.empty()) {
      plan_.mixture_.emplace_back();
      MixtureScratch& s = plan_.mixture_.back();
      s.begin.resize(static_cast<size_t>(d_.experts) + 1);
      s.scores = {nullptr, d_.experts, round_up(d_.experts, 16)};
      for (Rows* r : {&s.gathered, &s.down}) *r = {nullptr, d_.width, round_up(d_.width, 16) + 16};
      for (Rows* r : {&s.gate, &s.up})
        *r = {nullptr, d_.ffn_width, round_up(d_.ffn_width, 16) + 16};
      const auto tiles_for = [&](Part part, int64_t width) {
        const Activations kind = kind_into(part);
        return Tiles{nullptr, tile_bytes(kind, kTileTokens, round_up(width, 32)), kind};
      };
      s.gathered_tiles = tiles_for(Part::up, d_.width);
      s.inner_tiles = tiles_for(Part::down, d_.ffn_width);
    }
    auto stage = std::make_unique<MixtureStage>(
        MixtureShape{d_.experts_used, d_.experts_renormalised, op.activation}, rows(op.inputs[0]),
        tiles, allocate(op.output), &plan_.mixture_.back());
    stage->router = router;
    stage->layer = op.place.layer;
    for (int64_t e = 0; e < d_.experts; ++e) {
      auto get = [&](Part part) {
        return plan_.weights_.matrix(
            plan_.weights_.declare(checkpoint_, {part, op.place.layer, e}));
      };
      stage->experts.push_back(
          {d_.gated ? get(Part::gate) : PackedMatrix{}, get(Part::up), get(Part::down)});
    }
    stage->modules.push_back(checkpoint_.weight(op.place).module);
    stages().push_back(std::move(stage));
  }

  void compile_attend(const Op& op) {
    const int64_t layer = op.place.layer;
    const LayerDescription& l = d_.layer[static_cast<size_t>(layer)];
    const int64_t store_layer = d_.decoder ? layer : 0;
    row_stage().ops.push_back({.kind = RowOpKind::append,
                               .a = rows(op.inputs[1]),
                               .b = rows(op.inputs[2]),
                               .heads = d_.kv_heads,
                               .layer = store_layer});
    AttendShape s;
    s.layer = layer;
    s.store_layer = store_layer;
    s.heads = d_.heads;
    s.kv_heads = d_.kv_heads;
    s.head_width = d_.head_width;
    s.window = l.window;
    s.scale = static_cast<float>(d_.attention_scale != 0
                                     ? d_.attention_scale
                                     : 1 / std::sqrt(static_cast<double>(d_.head_width)));
    s.softcap = static_cast<float>(d_.attention_softcap);
    if (d_.position == PositionKind::rope && l.rotary) {
      s.rope = rope(l);
      s.rotary_width = d_.rotary_width;
      s.rotary_scale = static_cast<float>(s.rope->score_factor());
      s.interleaved = d_.rope_interleaved;
    }
    for (int64_t h = 0; d_.position == PositionKind::alibi && h < d_.heads; ++h) {
      s.slopes.push_back(static_cast<float>(alibi_slope(h, d_.heads) * d_.alibi_scale));
    }
    stages().push_back(std::make_unique<AttendStage>(std::move(s), rows(op.inputs[0]),
                                                     allocate(op.output), &plan_.attend_));
  }

  const RopeTable* rope(const LayerDescription& l) {
    for (size_t i = 0; i < rope_keys_.size(); ++i) {
      if (rope_keys_[i] == std::pair(l.rope_theta, l.rope_scaled)) return &plan_.ropes_[i];
    }
    rope_keys_.emplace_back(l.rope_theta, l.rope_scaled);
    plan_.ropes_.emplace_back(l.rope_theta, d_.rotary_width,
                              l.rope_scaled ? d_.rope_scaling : RopeScaling{}, d_.context);
    return &plan_.ropes_.back();
  }

  void compile_row(const Op& op) {
    RowOp r{};
    r.a = rows(op.inputs[0]);
    if (op.inputs.size() > 1) r.b = rows(op.inputs[1]);
    r.epsilon = static_cast<float>(d_.norm_epsilon);
    r.offset = static_cast<float>(d_.norm_weight_offset);
    r.scale = static_cast<float>(op.scale);
    r.activation = op.activation;
    r.heads = op.heads;
    r.layer = op.place.layer;
    switch (op.kind) {
      case OpKind::norm: {
        r.kind = d_.norm == NormKind::rms ? RowOpKind::rms_norm : RowOpKind::layer_norm;
        r.weight = vector(checkpoint_.weight(op.place), "norm", op.place);
        const Parameter bias = checkpoint_.bias(op.place);
        if (bias.present()) r.bias = plan_.weights_.vector(bias);
        break;
      }
      case OpKind::head_norm:
        r.kind = RowOpKind::head_norm;
        r.weight = vector(checkpoint_.weight(op.place), "norm", op.place);
        break;
      case OpKind::rotate:
        r.kind = RowOpKind::rotate;
        r.rope = rope(d_.layer[static_cast<size_t>(op.place.layer)]);
        r.interleaved = d_.rope_interleaved;
        break;
      case OpKind::activate:
        r.kind = RowOpKind::activate;
        break;
      case OpKind::gate:
        r.kind = RowOpKind::gate;
        break;
      case OpKind::add:
        r.kind = RowOpKind::add;
        break;
      case OpKind::softcap:
        r.kind = RowOpKind::softcap;
        break;
      case OpKind::scale:
        r.kind = RowOpKind::scale;
        break;
      case OpKind::add_position:
        r.kind = RowOpKind::add_position;
        r.weight = vector(checkpoint_.weight(op.place), "table", op.place);
        r.position_offset = d_.position_offset;
        break;
      case OpKind::add_row:
        r.kind = RowOpKind::add_row;
        r.weight = vector(checkpoint_.weight(op.place), "table", op.place);
        break;
      case OpKind::take_wanted:
        r.kind = RowOpKind::take_wanted;
        break;
      default:
        break;
    }
    r.out = allocate(op.output);
    row_stage().ops.push_back(r);
  }

  void compile_op(const Op& op) {
    switch (op.kind) {
      case OpKind::input:
        allocate(op.output);
        return;  // slot 0
      case OpKind::linear:
        return compile_linear(op);
      case OpKind::mixture:
        return compile_mixture(op);
      case OpKind::attend:
        return compile_attend(op);
      case OpKind::take_wanted:
        in_head_ = true;
        return compile_row(op);
      default:
        return compile_row(op);
    }
  }

  Plan& plan_;
  const ModelDescription& d_;
  const Checkpoint& checkpoint_;
  Graph graph_;
  std::vector<int64_t> values_;  // slot of each value
  std::vector<int64_t> last_use_;
  std::vector<int64_t> free_;
  std::vector<int64_t> numbers_;  // of the weights, in the graph's order
  size_t next_number_ = 0;
  std::vector<ValueId> tile_value_;
  ValueId linear_value_ = -1;
  std::vector<std::pair<double, bool>> rope_keys_;
  bool in_head_ = false;
};

Plan::Plan(const ModelDescription& d, const Checkpoint& checkpoint, ActivationBits activations)
    : description_(d), activations_(activations) {
  Compiler(*this, d, checkpoint).compile();
}

void Plan::reserve(int64_t rows, int64_t wanted) {
  if (rows <= rows_ && wanted <= wanted_) return;
  rows_ = std::max(rows, rows_);
  wanted_ = std::max(wanted, wanted_);
  const int64_t padded_rows = round_up(rows_, kTileTokens),
                padded_wanted = round_up(wanted_, kTileTokens);
  // First count, then hand out.
  int64_t at = 0;
  auto take = [&](int64_t bytes) {
    const int64_t offset = at;
    at += round_up(bytes, 64);
    return offset;
  };
  auto rows_of = [&](bool in_head) { return in_head ? padded_wanted : padded_rows; };
  auto lay_out = [&](std::byte* base) {
    at = 0;
    auto place = [&](auto& target, int64_t bytes) {
      const int64_t offset = take(bytes);
      if (base) target.data = reinterpret_cast<decltype(target.data)>(base + offset);
    };
    for (Slot& s : slots_) place(s.rows, rows_of(s.wanted) * s.rows.stride * 4);
    for (size_t i = 0; i < tiles_.size(); ++i) {
      place(tiles_[i], rows_of(tile_wanted_[i]) / kTileTokens * tiles_[i].tile_stride);
    }
    for (MixtureScratch& m : mixture_) {
      for (Rows* r : {&m.scores, &m.gathered, &m.gate, &m.up, &m.down}) {
        place(*r, padded_rows * r->stride * 4);
      }
      for (Tiles* t : {&m.gathered_tiles, &m.inner_tiles}) {
        place(*t, padded_rows / kTileTokens * t->tile_stride);
      }
      for (auto* v : {&m.chosen, &m.members, &m.slot})
        v->resize(static_cast<size_t>(padded_rows * description_.experts_used));
      m.weight.resize(static_cast<size_t>(padded_rows * description_.experts_used));
    }
  };
  lay_out(nullptr);
  buffers_memory_ = BigBuffer(at);
  lay_out(buffers_memory_.data());
}

void Plan::prepare(const Chunk& chunk) {
  int64_t positions = 1, entries = 1, padded = 0;
  for (int64_t r = 0; r < chunk.rows; ++r) {
    positions = std::max<int64_t>(positions, chunk.position[static_cast<size_t>(r)] + 1);
    entries = std::max(entries, chunk.entry[static_cast<size_t>(r)] + 1);
  }
  for (const ChunkSegment& s : chunk.segments) padded = std::max(padded, s.store->shape().padded());
  for (RopeTable& t : ropes_) t.ensure(positions);
  attend_.prepare(Pool::instance().threads(), padded, chunk.rows, description_.heads, entries);
}

namespace {

void run_stages(std::span<const std::unique_ptr<Stage>> stages, const Chunk& chunk,
                Profile* profile, InputObserver* observer) {
  const auto grain = chunk.rows <= kTileTokens ? Pool::Grain::fine : Pool::Grain::coarse;
  Pool::instance().run(
      [&](int64_t thread, Team& team) {
        Crew crew{thread, team, 0, observer};
        Profile* const counts = thread == 0 ? profile : nullptr;
        for (const auto& stage : stages) {
          if (counts) counts->stage_begins(chunk);
          stage->run(crew, chunk);
          crew.barrier();
          if (counts) counts->stage_ended(*stage, chunk);
        }
      },
      grain);
}

}  // namespace

NetworkFloor Plan::floor() const {
  NetworkFloor floor;
  floor.bytes_per_second = reading_speed(weights_.packed());
  const LinearStage* largest = nullptr;
  for (const auto& stage : body_) {
    const auto* linear = dynamic_cast<const LinearStage*>(stage.get());
    const auto size = [](const LinearStage& s) {
      return s.parts[0].matrix.rows * s.parts[0].matrix.columns;
    };
    if (linear && (!largest || size(*linear) > size(*largest))) largest = linear;
  }
  if (largest) floor.multiply_adds_per_second = multiplying_speed(*largest);
  return floor;
}

void Plan::run_body(const Chunk& chunk) { run_stages(body_, chunk, profile_, observer_); }
void Plan::run_head(const Chunk& chunk) { run_stages(head_, chunk, profile_, nullptr); }

const AttendStage& Plan::run_to_attention(const Chunk& chunk, int64_t layer) {
  for (size_t i = 0; i < body_.size(); ++i) {
    const auto* attend = dynamic_cast<const AttendStage*>(body_[i].get());
    if (!attend || attend->layer() != layer) continue;
    run_stages(std::span(body_).first(i), chunk, profile_, observer_);
    return *attend;
  }
  throw Error("layer " + std::to_string(layer), "has no attention");
}

}  // namespace tessera
