#include "tessera/eval/trace_file.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tessera/base/atomic_file.h"
#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/text/corpus.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;
constexpr int64_t kVersion = 1;
constexpr size_t kFields = 6;

Error damaged(const std::string& path, int64_t line, const std::string& what) {
  return Error(fmt::format("{}:{}", path, line), what, "Make it again with --trace.");
}

// Whole numbers of an array, all at least 0 and exact in JSON; none for anything else.
std::vector<int64_t> numbers(const Json& j) {
  std::vector<int64_t> out;
  if (!j.is_array()) return out;
  for (const Json& x : j) {
    if (!x.is_number_integer() || x.get<int64_t>() < 0 || x.get<int64_t>() >> 53) return {};
    out.push_back(x.get<int64_t>());
  }
  return out;
}

TraceOrigin origin_of(const std::string& path, const Json& j) {
  if (!j.is_object() || !j.contains("tessera_trace")) throw damaged(path, 1, "is no trace");
  if (j["tessera_trace"] != kVersion) {
    throw Error(path, "is a trace of another version of Tessera", "Make it again with --trace.");
  }
  TraceOrigin o;
  const auto sizes = numbers(Json::array(
      {j.value("layers", Json()), j.value("heads", Json()), j.value("prompt_tokens", Json())}));
  const Json weights = j.value("weights", Json()), policy = j.value("policy", Json());
  if (sizes.size() != 3 || !weights.is_string() || !policy.is_string()) {
    throw damaged(path, 1, "does not say what was run");
  }
  o.weights = weights.get<std::string>();
  o.policy = policy.get<std::string>();
  o.layers = sizes[0];
  o.heads = sizes[1];
  o.prompt_tokens = sizes[2];
  return o;
}

}  // namespace

void TraceRecorder::take(const Selection& s) {
  std::string line = fmt::format("[{},{},{},{},{},{}", s.token, s.layer, s.head, s.heads, s.dropped,
                                 s.damped ? 1 : 0);
  // Neighbours that are seen from different places are one range of entries.
  for (size_t i = 0; i < s.runs.size();) {
    size_t end = i + 1;
    while (end < s.runs.size() && s.runs[end].begin == s.runs[end - 1].end) ++end;
    line += fmt::format(",{},{}", s.runs[i].begin, s.runs[end - 1].end);
    i = end;
  }
  line += "]\n";
  const std::lock_guard hold(lock_);
  if (bytes_ + static_cast<int64_t>(line.size()) > most_bytes_) {
    ++left_out_;
    return;
  }
  bytes_ += static_cast<int64_t>(line.size());
  lines_.emplace_back(std::vector<int64_t>{s.token, s.layer, s.head, s.damped ? 1 : 0},
                      std::move(line));
}

void TraceRecorder::write(const std::string& path, const TraceOrigin& o,
                          const std::vector<int32_t>& ids) const {
  const std::lock_guard hold(lock_);
  auto lines = lines_;
  // Threads finish in any order; the file is the same for the same choices.
  std::sort(lines.begin(), lines.end());
  AtomicFile file(path);
  file.write(Json({{"tessera_trace", kVersion},
                   {"weights", o.weights},
                   {"policy", o.policy},
                   {"layers", o.layers},
                   {"heads", o.heads},
                   {"prompt_tokens", o.prompt_tokens}})
                 .dump() +
             "\n");
  for (const auto& [place, line] : lines) file.write(line);
  file.write(Json({{"ids", ids}, {"left_out", left_out_}}).dump() + "\n");
  file.commit();
}

Trace read_trace(const std::string& path) { return parse_trace(MappedFile(path).text(), path); }

Trace parse_trace(std::string_view text, const std::string& path) {
  Trace trace;
  int64_t at = 0;
  bool ended = false;
  each_line(text, [&](std::string_view line) {
    ++at;
    const Json j = Json::parse(line, nullptr, false);
    if (at == 1) {
      trace.origin = origin_of(path, j);
      return;
    }
    if (ended) throw damaged(path, at, "stands behind the end");
    if (j.is_object()) {
      const auto last = numbers(Json::array({j.value("left_out", Json())}));
      const auto ids = numbers(j.value("ids", Json()));
      if (last.empty() || ids.empty() ||
          *std::max_element(ids.begin(), ids.end()) > std::numeric_limits<int32_t>::max()) {
        throw damaged(path, at, "does not say which text was read");
      }
      trace.left_out = last[0];
      for (const int64_t id : ids) trace.ids.push_back(static_cast<int32_t>(id));
      ended = true;
      return;
    }
    const auto n = numbers(j);
    if (n.size() < kFields || n.size() % 2 != 0) throw damaged(path, at, "is no choice");
    TraceRow row{n[0], n[1], n[2], n[3], n[4], n[5] != 0, {}};
    if (row.layer >= trace.origin.layers || row.heads < 1 ||
        row.head > trace.origin.heads - row.heads) {
      throw damaged(path, at, "names a layer or a head that the model has not");
    }
    int64_t last = 0;
    for (size_t i = kFields; i < n.size(); i += 2) {
      if (n[i] < last || n[i + 1] <= n[i] || n[i + 1] > row.token + 1) {
        throw damaged(path, at, "names entries that the token cannot see");
      }
      last = n[i + 1];
      row.runs.emplace_back(n[i], n[i + 1]);
    }
    trace.rows.push_back(std::move(row));
  });
  if (at == 0) throw Error(path, "is empty", "Make it with run --trace.");
  if (!ended) throw damaged(path, at, "is cut off");
  for (const TraceRow& row : trace.rows) {
    if (row.token >= static_cast<int64_t>(trace.ids.size())) {
      throw damaged(path, at, "holds choices of tokens that its text has not");
    }
  }
  return trace;
}

}  // namespace tessera
