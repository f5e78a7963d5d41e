#include "tessera/eval/attention_mass.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "tessera/context/primitives.h"

namespace tessera {
namespace {

constexpr int64_t kFirst = 4;  // entries that draw attention whatever they say

}  // namespace

void AttentionMass::take(const Selection& s) {
  if (!s.view || s.damped) return;
  const int64_t entries = s.token - s.dropped + 1;
  int64_t seen = 0;
  for (const Run& run : s.runs) seen += run.end - run.begin;
  if (seen >= entries) return;
  thread_local std::vector<float> weights;
  attention_rows(*s.view, s.kv_head, s.row, entries, weights);
  const std::lock_guard lock(taking_);
  for (int64_t h = s.head; h < s.head + s.heads; ++h) {
    const float* row = weights.data() + h % s.view->group() * entries;
    double mass = 0;
    for (const Run& run : s.runs) mass += std::accumulate(row + run.begin, row + run.end, 0.0);
    layers_.at(static_cast<size_t>(s.layer)).add(mass);
    tokens_[s.token].add(mass);
    all_.add(mass);
    const int64_t first = std::min(kFirst, seen);
    newest_.add(std::accumulate(row, row + first, 0.0) +
                std::accumulate(row + entries - (seen - first), row + entries, 0.0));
  }
}

double AttentionMass::of_token(int64_t token) const {
  const auto found = tokens_.find(token);
  return found == tokens_.end() ? 0 : found->second.value();
}

}  // namespace tessera
