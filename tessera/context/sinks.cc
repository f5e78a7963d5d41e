#include "tessera/context/sinks.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "tessera/base/error.h"

namespace tessera {

void ReceivedAttention::add(std::span<const float> weights) {
  sums_.resize(weights.size(), 0);
  before_.resize(weights.size(), added_);
  ++added_;
  for (size_t t = 0; t < sums_.size(); ++t) sums_[t] += static_cast<double>(weights[t]);
}

void ReceivedAttention::sinks(const SinkRule& rule, int64_t first,
                              std::vector<int32_t>& out) const {
  out.clear();
  const double threshold = rule.threshold(tokens());
  for (int64_t t = first; t < tokens() && queries(t) >= rule.min_queries; ++t) {
    if (mean(t) > threshold) out.push_back(static_cast<int32_t>(t));
  }
}

std::string heads_text(std::span<const HeadId> heads) {
  std::string out;
  for (const HeadId& h : heads) {
    if (!out.empty()) out += '+';
    out.append(std::to_string(h.layer)).append(".").append(std::to_string(h.head));
  }
  return out;
}

std::vector<HeadId> parse_heads(const std::string& text) {
  std::vector<HeadId> out;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto fault = [&](const std::string& what) {
    return Error("heads=" + text, what, "Write LAYER.HEAD, several with + between: 3.0+12.8.");
  };
  const auto number = [&](int64_t& value) {
    const auto [next, failed] = std::from_chars(at, end, value);
    if (failed != std::errc() || value < 0) throw fault("is no list of heads");
    at = next;
  };
  while (true) {
    HeadId h;
    number(h.layer);
    if (at == end || *at++ != '.') throw fault("is no list of heads");
    number(h.head);
    if (std::find(out.begin(), out.end(), h) != out.end()) {
      throw fault("names " + heads_text({&h, 1}) + " twice");
    }
    out.push_back(h);
    if (at == end) break;
    if (*at++ != '+') throw fault("is no list of heads");
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace tessera
