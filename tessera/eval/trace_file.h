// What a policy chose, in a file: which entries of the past each decoded token saw, in each layer
// and query head.
//
// One JSON value a line: an object that says what was run; for each choice an array [token, layer,
// head, heads, dropped, damped (0 or 1), begin, end, ..]; an object with the ids of the text and
// how many choices were left out.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/network/selection_trace.h"

namespace tessera {

struct TraceOrigin {
  std::string weights;  // weights_hash() of the model
  std::string policy;   // its spec
  int64_t layers = 0, heads = 0;
  int64_t prompt_tokens = 0;
};

struct TraceRow {
  int64_t token = 0, layer = 0, head = 0, heads = 1, dropped = 0;
  bool damped = false;
  std::vector<std::pair<int64_t, int64_t>> runs;  // entries begin .. end - 1
};

struct Trace {
  TraceOrigin origin;
  std::vector<TraceRow> rows;  // by token, layer and head
  std::vector<int32_t> ids;
  int64_t left_out = 0;
};

// Collects choices in memory until the file is written.
class TraceRecorder final : public SelectionSink {
 public:
  // Choices that would take more than `most_bytes` in the file are counted and left out.
  explicit TraceRecorder(int64_t most_bytes) : most_bytes_(most_bytes) {}
  void take(const Selection& selection) override;
  // Writes the file whole or not at all.   ids: of the text, prompt and answer
  void write(const std::string& path, const TraceOrigin& origin,
             const std::vector<int32_t>& ids) const;
  int64_t left_out() const { return left_out_; }

 private:
  mutable std::mutex lock_;
  int64_t most_bytes_, bytes_ = 0, left_out_ = 0;
  std::vector<std::pair<std::vector<int64_t>, std::string>> lines_;  // place and text
};

// Throws Error for what is no trace, is of another version, or names places that cannot be.
Trace read_trace(const std::string& path);
// The same from the file's text; `path` is its name in messages.
Trace parse_trace(std::string_view text, const std::string& path);

}  // namespace tessera
