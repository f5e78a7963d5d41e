#include "apps/tessera/sinks_of_text.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/tessera/heat_map.h"
#include "apps/tessera/session.h"
#include "tessera/base/atomic_file.h"
#include "tessera/base/error.h"
#include "tessera/base/progress.h"
#include "tessera/eval/sink_report.h"
#include "tessera/text/corpus.h"

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;

// Paragraphs that are read, tokens of each, and sinks that the file lists.
constexpr size_t kMostInputs = 100;
constexpr size_t kMostTokens = 512, kLeastTokens = 30;
constexpr int64_t kMostListed = 200'000;

std::vector<std::vector<int32_t>> inputs_of(const Session& s, const std::string& text) {
  EncodeOptions plain;
  plain.add_template = false;
  std::vector<std::vector<int32_t>> out;
  for (size_t begin = 0; begin < text.size() && out.size() < kMostInputs;) {
    size_t end = text.find("\n\n", begin);
    if (end == std::string::npos) end = text.size();
    const auto e = s.tokenizer->encode(std::string_view(text).substr(begin, end - begin), plain);
    std::vector<int32_t> ids;
    if (const auto bos = s.tokenizer->bos(); bos && s.tokenizer->adds_bos()) ids = {*bos};
    ids.insert(ids.end(), e.ids.begin(), e.ids.end());
    if (ids.size() > kMostTokens) ids.resize(kMostTokens);
    if (ids.size() >= kLeastTokens) out.push_back(std::move(ids));
    begin = end + 2;
  }
  return out;
}

// Share of the heads of the layers that can be calibrated.
template <class Get>
double share_of_heads(const SinkReport& r, Get get) {
  double sum = 0, n = 0;
  for (int64_t layer = 2; layer < r.layers - 1; ++layer) {
    for (int64_t h = 0; h < r.heads; ++h, ++n) {
      sum += get(r.of_head[static_cast<size_t>(layer * r.heads + h)]);
    }
  }
  return n > 0 ? sum / n : 0;
}

}  // namespace

int SinksOfText::run() const {
  SinkRule by = rule;
  if (by.alpha <= 0) by.alpha = 5;
  const std::string text = read_text(file);
  Session s = open_session(common, "full");
  const auto inputs = inputs_of(s, text);
  if (inputs.empty()) {
    throw Error(file, fmt::format("has no paragraph of {} tokens or more", kLeastTokens),
                "Give a text of longer paragraphs, an empty line between two.");
  }
  interrupted();
  ProgressOptions shown;
  shown.label = "sinks";
  shown.unit = "layers";
  shown.total = static_cast<int64_t>(inputs.size()) * s.model->network().description().layers;
  if (is_terminal(STDERR_FILENO)) shown.sink = descriptor_sink(STDERR_FILENO);
  Progress bar(shown);
  Json listed = Json::array();
  int64_t left_out = 0;
  bool stopped = false;
  const auto piece = [&](int32_t id) { return s.tokenizer->decode(std::span(&id, 1), false); };
  const SinkReport r = sink_report(
      s.model->network(), inputs, by,
      [&](const Sink& sink) {
        if (output.empty()) return;
        if (static_cast<int64_t>(listed.size()) >= kMostListed) {
          ++left_out;
          return;
        }
        listed.push_back({{"input", sink.input},
                          {"layer", sink.head.layer},
                          {"head", sink.head.head},
                          {"position", sink.position},
                          {"token", piece(sink.token)},
                          {"mean", sink.mean},
                          {"times_even", sink.mean * static_cast<double>(sink.tokens)}});
      },
      [&] {
        bar.advance();
        stopped = stopped || interrupted();
        return !stopped;
      });
  bar.finish();
  if (stopped) return kInterrupted;
  std::vector<std::pair<int64_t, int32_t>> tokens;
  for (const auto& [id, n] : r.later_tokens) tokens.emplace_back(-n, id);
  std::sort(tokens.begin(), tokens.end());
  if (tokens.size() > 20) tokens.resize(20);

  Json summary = {{"inputs", r.inputs},
                  {"alpha", by.alpha},
                  {"min_queries", by.min_queries},
                  {"first_token", share_of_heads(r, [](const HeadSinks& h) { return h.first; })},
                  {"heads_with_first_token",
                   share_of_heads(r, [](const HeadSinks& h) { return h.first > 0.5 ? 1.0 : 0.0; })},
                  {"later", share_of_heads(r, [](const HeadSinks& h) { return h.later; })},
                  {"inputs_with_later",
                   static_cast<double>(r.inputs_with_later) / static_cast<double>(r.inputs)},
                  {"later_tokens", Json::array()}};
  for (const auto& [n, id] : tokens) summary["later_tokens"].push_back({piece(id), -n});
  const auto dumped = [](const Json& j) {
    return j.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  };
  if (!output.empty()) {
    Json all = summary;
    all["heads"] = Json::array();
    for (int64_t i = 0; i < r.layers * r.heads; ++i) {
      const HeadSinks& h = r.of_head[static_cast<size_t>(i)];
      all["heads"].push_back({{"layer", i / r.heads},
                              {"head", i % r.heads},
                              {"first", h.first},
                              {"later", h.later},
                              {"mean_first", h.mean_first}});
    }
    all["later_sinks_a_head"] = r.later_per_head;
    all["sinks"] = std::move(listed);
    all["left_out"] = left_out;
    write_file(output, dumped(all));
  }
  if (!svg.empty()) {
    std::vector<HeadPanel> panels = {{"token 0 is a sink", r.layers, r.heads, {}},
                                     {"a later token is", r.layers, r.heads, {}}};
    for (const HeadSinks& h : r.of_head) {
      panels[0].shares.push_back(h.first);
      panels[1].shares.push_back(h.later);
    }
    write_file(svg, head_map(fmt::format("attention sinks: share of {} texts, by layer and head",
                                         r.inputs),
                             panels));
  }
  if (common.json) {
    put(dumped(summary));
    return kDone;
  }
  put(fmt::format(
      "{} paragraphs; a sink receives over {} / tokens from at least {} queries\n"
      "token 0 is one in {:.1f} % of (head, paragraph), later tokens in {:.1f} %, in {:.1f} % of "
      "the paragraphs (layers 2 to {})\n",
      r.inputs, by.alpha, by.min_queries, 100 * summary["first_token"].get<double>(),
      100 * summary["later"].get<double>(), 100 * summary["inputs_with_later"].get<double>(),
      r.layers - 2));
  std::string line = "later sinks:";
  for (const auto& [n, id] : tokens) {
    line += fmt::format(" {} x {}",
                        Json(piece(id)).dump(-1, ' ', false, Json::error_handler_t::replace), -n);
  }
  put(line + "\n");
  return kDone;
}

}  // namespace tessera::cli
