#include "tessera/use/question_attention.h"

#include <algorithm>
#include <cmath>

#include "tessera/context/primitives.h"
#include "tessera/network/layer_view.h"

namespace tessera {

std::vector<double> question_attention(Network& network, const std::vector<int32_t>& ids,
                                       const PromptPlaces& at, int64_t layer, int64_t power,
                                       std::vector<double>& weights) {
  std::vector<float> vectors(ids.size() *
                             static_cast<size_t>(network.description().embedding_width));
  network.embed(ids, vectors);
  std::vector<double> sums(static_cast<size_t>(at.context_end - at.context_begin));
  const bool weigh = weights.empty();
  std::vector<double> row;
  std::vector<float> heads;
  const auto past = network.new_past();
  network.read_layer(*past, vectors, layer, [&](const LayerView& view) {
    for (int64_t r = std::max<int64_t>(0, at.question_begin - view.first_token()); r < view.rows();
         ++r) {
      const int64_t token = view.first_token() + r, end = token + 1;
      row.assign(static_cast<size_t>(end), 0.0);
      for (int64_t kv_head = 0; kv_head < view.kv_heads(); ++kv_head) {
        attention_rows(view, kv_head, r, end, heads);
        for (int64_t h = 0; h < view.group(); ++h) {
          const float* from = heads.data() + h * end;
          for (size_t i = 0; i < row.size(); ++i) row[i] += static_cast<double>(from[i]);
        }
      }
      if (weigh) {
        double to_question = 0;
        for (int64_t i = at.question_begin; i < std::min(end, at.question_end); ++i) {
          to_question += row[static_cast<size_t>(i)];
        }
        weights.push_back(to_question);
      }
      const double weight = std::pow(weights[static_cast<size_t>(token - at.question_begin)],
                                     static_cast<double>(power));
      for (size_t i = 0; i < sums.size(); ++i) {
        sums[i] += weight * row[static_cast<size_t>(at.context_begin) + i];
      }
    }
  });
  return sums;
}

void sum_neighbours(const std::vector<double>& in, int64_t width, std::vector<float>& out) {
  const auto n = static_cast<int64_t>(in.size());
  const int64_t left = width / 2, right = (width - 1) / 2;
  out.resize(in.size());
  for (int64_t j = 0; j < n; ++j) {
    double sum = 0;
    for (int64_t i = std::max<int64_t>(0, j - left); i <= std::min(n - 1, j + right); ++i) {
      sum += in[static_cast<size_t>(i)];
    }
    out[static_cast<size_t>(j)] = static_cast<float>(sum);
  }
}

}  // namespace tessera
