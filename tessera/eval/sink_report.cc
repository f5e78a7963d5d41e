#include "tessera/eval/sink_report.h"

#include <set>

#include "tessera/context/primitives.h"
#include "tessera/network/layer_view.h"

namespace tessera {

SinkReport sink_report(Network& network, std::span<const std::vector<int32_t>> inputs,
                       const SinkRule& rule, const std::function<void(const Sink&)>& each,
                       const std::function<bool()>& step) {
  const ModelDescription& d = network.description();
  SinkReport report;
  report.layers = d.layers;
  report.heads = d.heads;
  report.of_head.resize(static_cast<size_t>(d.layers * d.heads));
  report.later_per_head.resize(static_cast<size_t>(d.layers));
  std::vector<float> vectors, weights;
  std::vector<int32_t> found;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::vector<int32_t>& ids = inputs[i];
    vectors.resize(ids.size() * static_cast<size_t>(d.embedding_width));
    network.embed(ids, vectors);
    std::set<int64_t> later;  // positions
    for (int64_t layer = 0; layer < d.layers; ++layer) {
      if (step && !step()) return report;
      std::vector<ReceivedAttention> received(static_cast<size_t>(d.heads));
      const auto past = network.new_past();
      network.read_layer(*past, vectors, layer, [&](const LayerView& view) {
        for (int64_t row = 0; row < view.rows(); ++row) {
          const int64_t end = view.first_entry() + row + 1;
          for (int64_t kv_head = 0; kv_head < view.kv_heads(); ++kv_head) {
            attention_rows(view, kv_head, row, end, weights);
            for (int64_t h = 0; h < view.group(); ++h) {
              received[static_cast<size_t>(kv_head * view.group() + h)].add(
                  std::span<const float>(weights).subspan(static_cast<size_t>(h * end),
                                                          static_cast<size_t>(end)));
            }
          }
        }
      });
      for (int64_t h = 0; h < d.heads; ++h) {
        const ReceivedAttention& r = received[static_cast<size_t>(h)];
        r.sinks(rule, 0, found);
        HeadSinks& of_head = report.of_head[static_cast<size_t>(layer * d.heads + h)];
        bool first = false;
        for (const int32_t t : found) {
          first = first || t == 0;
          if (t > 0) later.insert(t);
          if (each) {
            each({static_cast<int64_t>(i),
                  {layer, h},
                  t,
                  ids[static_cast<size_t>(t)],
                  r.mean(t),
                  r.tokens()});
          }
        }
        const auto behind = static_cast<int64_t>(found.size()) - (first ? 1 : 0);
        of_head.first += first ? 1 : 0;
        of_head.later += behind > 0 ? 1 : 0;
        if (!ids.empty()) of_head.mean_first += r.mean(0);
        report.later_per_head[static_cast<size_t>(layer)] += static_cast<double>(behind);
        report.sinks += static_cast<int64_t>(found.size());
      }
    }
    ++report.inputs;
    report.inputs_with_later += later.empty() ? 0 : 1;
    for (const int64_t t : later) ++report.later_tokens[ids[static_cast<size_t>(t)]];
  }
  const double n = report.inputs > 0 ? static_cast<double>(report.inputs) : 1;
  for (HeadSinks& h : report.of_head) {
    h.first /= n;
    h.later /= n;
    h.mean_first /= n;
  }
  for (double& mean : report.later_per_head) mean /= n * static_cast<double>(d.heads);
  return report;
}

}  // namespace tessera
