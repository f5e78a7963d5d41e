#include "tessera/network/calibrated_rounding.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/files/assemble.h"
#include "tessera/files/error_feedback.h"
#include "tessera/files/quantise.h"
#include "tessera/network/engine.h"
#include "tessera/network/stage.h"

namespace tessera {
namespace {

// Share of the mean that is added to every weight: no column is free.
constexpr double kDamping = 0.01;

using Key = std::tuple<Part, int64_t, int64_t>;

// Matrices that read the same rows share what is known of them.
Key input_of(const Place& p) {
  Part part = p.part;
  if (part == Part::key || part == Part::value) part = Part::query;
  if (part == Part::gate) part = Part::up;
  return {part, p.layer, p.expert};
}

bool is_watched(Part part) {
  return part == Part::query || part == Part::attention_output || part == Part::up ||
         part == Part::down;
}

// What goes into some matrices.
struct Input {
  int64_t columns = 0, rows = 0;
  std::vector<float> sums;  // [columns] of squares, or [columns, columns] of products, i <= j
  std::shared_ptr<const ErrorFeedback> feedback = {};  // made of the sums, which are gone then
};

// Sums up what passes by. All columns are shared out among the threads: an order of sums is that of
// the rows, however many there are.
class Watcher final : public InputObserver {
 public:
  Watcher(std::map<Key, Input>& inputs, bool products) : inputs_(inputs), products_(products) {
    for (const auto& [key, input] : inputs_) widest_ = std::max(widest_, input.columns);
  }

  // Makes room for passes of up to `rows` rows; without it products cannot be watched.
  void reserve(int64_t rows) {
    if (!products_) return;
    most_rows_ = rows;
    turned_stride_ = rows + 16;  // rows must not share cache sets
    turned_.resize(static_cast<size_t>(widest_ * turned_stride_));
    packed_.resize(static_cast<size_t>(packed_bytes(Packing::f32, widest_, rows)) / sizeof(float));
    for (int64_t t = 0; t < Pool::instance().threads(); ++t) {
      results_.emplace_back(static_cast<size_t>(
          kTileTokens * ((widest_ + kGroupRows - 1) / kGroupRows * kGroupRows)));
    }
  }

  void see(Crew& crew, const Place& place, const Rows& in, int64_t rows) override {
    if (!is_watched(place.part)) return;  // seen with the one that reads the same
    const auto found = inputs_.find(input_of(place));
    if (found == inputs_.end()) return;
    Input& input = found->second;
    if (crew.thread == 0) input.rows += rows;
    if (products_) {
      for (int64_t first = 0; first < rows; first += most_rows_) {
        add_products(crew, input, in.row(first), in.stride, std::min(most_rows_, rows - first));
      }
      return;
    }
    const Share mine = share_of(input.columns, crew.thread, crew.size(), 16);
    for (int64_t r = 0; r < rows; ++r) {
      const float* x = in.row(r);
      for (int64_t c = mine.begin; c < mine.end; ++c)
        input.sums[static_cast<size_t>(c)] += x[c] * x[c];
    }
  }

 private:
  // The rows turned round are weights and inputs of one product of matrices: columns * columns^T.
  void add_products(Crew& crew, Input& input, const float* x, int64_t stride, int64_t rows) {
    const int64_t n = input.columns;
    const Share groups = share_of((n + kGroupRows - 1) / kGroupRows, crew.thread, crew.size());
    for (int64_t g = groups.begin; g < groups.end; ++g) {
      const float* pointers[kGroupRows];
      const int64_t first = g * kGroupRows, count = std::min(kGroupRows, n - first);
      for (int64_t c = 0; c < count; ++c) {
        float* row = turned_.data() + (first + c) * turned_stride_;
        for (int64_t r = 0; r < rows; ++r) row[r] = x[r * stride + first + c];
        pointers[c] = row;
      }
      pack_group_f32({pointers, static_cast<size_t>(count)}, rows,
                     packed_.data() + g * kGroupRows * rows);
    }
    crew.barrier();
    const PackedMatrix m{Packing::f32, n, rows, reinterpret_cast<const std::byte*>(packed_.data())};
    const int64_t wide = m.groups() * kGroupRows;
    float* out = results_[static_cast<size_t>(crew.thread)].data();
    for (int64_t t = crew.claim() * kTileTokens; t < n; t = crew.claim() * kTileTokens) {
      ActivationTile tile;
      tile.tokens = std::min(kTileTokens, n - t);
      tile.plain = turned_.data() + t * turned_stride_;
      tile.plain_stride = turned_stride_;
      kernels().linear(m, t / kGroupRows, m.groups(), tile, out, wide);
      for (int64_t i = 0; i < tile.tokens; ++i) {
        float* to = input.sums.data() + (t + i) * n;
        for (int64_t j = t + i; j < n; ++j) to[j] += out[i * wide + j];
      }
    }
    crew.barrier();
  }

  std::map<Key, Input>& inputs_;
  bool products_;
  int64_t widest_ = 1, most_rows_ = 0, turned_stride_ = 0;
  std::vector<float> turned_;  // [columns, turned_stride_]
  std::vector<float> packed_;
  std::vector<std::vector<float>> results_;  // of each thread
};

class Calibration {
 public:
  Calibration(const ModelFiles& model, std::shared_ptr<Network> network,
              std::vector<std::vector<int32_t>> windows, const CalibratedRoundingOptions& options)
      : checkpoint_(model.checkpoint),
        layers_(model.description.layers),
        network_(std::move(network)),
        windows_(std::move(windows)),
        options_(options) {
    const ModelDescription& d = model.description;
    for (int64_t layer = 0; layer < layers_; ++layer) {
      for (const Part part : all_parts()) {
        if (!in_layers(part) || is_norm(part) || part == Part::router) continue;
        const bool of_experts = d.layer[static_cast<size_t>(layer)].experts &&
                                (part == Part::gate || part == Part::up || part == Part::down);
        for (int64_t e = 0; e < (of_experts ? d.experts : 1); ++e) {
          const Place place{part, layer, of_experts ? e : -1};
          const Parameter p = checkpoint_->weight(place);
          if (!p.present()) continue;
          places_.try_emplace({p.tensor, e}, place);
          if (is_watched(part)) widths_[layer].emplace_back(input_of(place), p.columns);
          if (options_.feedback && p.columns > options_.most_columns) {
            throw Error(p.tensor,
                        fmt::format("has {} columns, whose products are too many (at most {})",
                                    p.columns, options_.most_columns),
                        "Take --round weighted.");
          }
        }
      }
    }
    // A GGUF is rounded in the order of its tensors, others layer by layer: see hold().
    for (const StoredTensor& t : model.gguf ? model.tensors : std::vector<StoredTensor>{}) {
      const auto found = places_.lower_bound({std::string(t.name), 0});
      if (found == places_.end() || found->first.first != t.name) continue;
      const int64_t layer = found->second.layer;
      if (std::ranges::find(order_, layer) == order_.end()) order_.push_back(layer);
    }
    for (const auto& [layer, widths] : widths_) {
      if (std::ranges::find(order_, layer) == order_.end()) order_.push_back(layer);
    }
  }

  RowRounder rounder(std::string_view tensor, int64_t number) {
    const auto place = places_.find({std::string(tensor), number});
    if (place == places_.end()) return {};
    const Key key = input_of(place->second);
    if (!inputs_.contains(key)) hold(place->second.layer);
    const auto found = inputs_.find(key);
    if (found == inputs_.end() || found->second.rows == 0) return {};
    return options_.feedback ? feedback(found->second) : weighted(found->second);
  }

 private:
  int64_t bytes_of_layer(int64_t layer) const {
    int64_t bytes = 0;
    for (const auto& [key, columns] : widths_.at(layer)) {
      bytes += columns * (options_.feedback ? columns : 1) * static_cast<int64_t>(sizeof(float));
    }
    return bytes;
  }

  // Reads the windows for `layer` and, in the files' order, the layers behind it that fit.
  void hold(int64_t layer) {
    inputs_.clear();
    int64_t bytes = 0;
    for (auto at = std::ranges::find(order_, layer); at != order_.end(); ++at) {
      bytes += bytes_of_layer(*at);
      if (!inputs_.empty() && options_.feedback && bytes > options_.product_bytes) break;
      for (const auto& [key, columns] : widths_.at(*at)) {
        const int64_t sums = columns * (options_.feedback ? columns : 1);
        inputs_[key] = {columns, 0, std::vector<float>(static_cast<size_t>(sums))};
      }
    }
    Watcher watcher(inputs_, options_.feedback);
    watcher.reserve(512);
    if (!observe_inputs(*network_, &watcher)) {
      throw Error("calibration", "needs the engine's own network");
    }
    try {
      for (const std::vector<int32_t>& ids : windows_) read(ids);
    } catch (...) {
      observe_inputs(*network_, nullptr);
      throw;
    }
    observe_inputs(*network_, nullptr);
  }

  void read(const std::vector<int32_t>& ids) {
    const auto past = network_->new_past();
    std::vector<float> vectors(ids.size() *
                               static_cast<size_t>(network_->description().embedding_width));
    network_->embed(ids, vectors);
    Segment s;
    s.past = past.get();
    s.vectors = vectors;
    s.count = static_cast<int64_t>(ids.size());
    network_->forward({&s, 1});
    if (options_.progress) options_.progress(s.count);
  }

  RowRounder weighted(const Input& input) const {
    double mean = 0;
    const auto rows = static_cast<double>(input.rows);
    for (const float sum : input.sums) mean += sum / rows / static_cast<double>(input.columns);
    if (!std::isfinite(mean)) {
      throw Error("calibration", "gives inputs that are no numbers", "Take another text.");
    }
    auto weights = std::make_shared<std::vector<float>>();
    for (const float sum : input.sums) {
      weights->push_back(static_cast<float>(sum / rows + kDamping * mean));
    }
    return [weights](DType type, std::span<const float> values, std::span<std::byte> out) {
      quantise_weighted(type, values, *weights, out);
    };
  }

  static RowRounder feedback(Input& input) {
    if (!input.feedback) {
      input.feedback = std::make_shared<const ErrorFeedback>(input.sums, input.columns);
      input.sums = {};
    }
    return
        [shared = input.feedback](DType type, std::span<const float> values,
                                  std::span<std::byte> out) { shared->round(type, values, out); };
  }

  std::shared_ptr<Checkpoint> checkpoint_;
  int64_t layers_;
  std::shared_ptr<Network> network_;
  std::vector<std::vector<int32_t>> windows_;
  CalibratedRoundingOptions options_;
  std::map<std::pair<std::string, int64_t>, Place> places_;         // by tensor and number in it
  std::map<int64_t, std::vector<std::pair<Key, int64_t>>> widths_;  // inputs of each layer
  std::vector<int64_t> order_;                                      // layers as the file has them
  std::map<Key, Input> inputs_;
};

}  // namespace

Rounding calibrated_rounding(const ModelFiles& model, std::shared_ptr<Network> network,
                             std::vector<std::vector<int32_t>> windows,
                             const CalibratedRoundingOptions& options) {
  auto calibration =
      std::make_shared<Calibration>(model, std::move(network), std::move(windows), options);
  return [calibration](std::string_view tensor, int64_t number) {
    return calibration->rounder(tensor, number);
  };
}

}  // namespace tessera
