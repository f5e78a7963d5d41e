#include "tessera/network/profile.h"

#include <algorithm>

#include "tessera/network/stage.h"

namespace tessera {
namespace {

// Keys that the attention layers have counted for the chunk's texts so far.
int64_t keys_read(const Chunk& chunk) {
  int64_t keys = 0;
  for (const ChunkSegment& s : chunk.segments) {
    if (s.counters) keys += s.counters->keys_read;
  }
  return keys;
}

double elapsed(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

}  // namespace

double NetworkFloor::seconds(const OperationCost& cost) const {
  const auto least = [](int64_t amount, double rate) {
    return rate > 0 ? static_cast<double>(amount) / rate : 0;
  };
  return std::max(least(cost.bytes, bytes_per_second),
                  least(cost.multiply_adds, multiply_adds_per_second));
}

void Profile::open_pass() { pass_began_ = Clock::now(); }

void Profile::close_pass() {
  seconds_ += elapsed(pass_began_);
  ++passes_;
}

void Profile::stage_begins(const Chunk& chunk) {
  keys_before_ = keys_read(chunk);
  stage_began_ = Clock::now();
}

void Profile::stage_ended(const Stage& stage, const Chunk& chunk) {
  const double seconds = elapsed(stage_began_);
  const StageWork work = stage.work(chunk, keys_read(chunk) - keys_before_);
  const std::string name = stage.operation();
  auto found = std::find_if(operations_.begin(), operations_.end(),
                            [&](const OperationCost& o) { return o.name == name; });
  if (found == operations_.end()) {
    operations_.push_back({.name = name});
    found = operations_.end() - 1;
  }
  ++found->runs;
  found->seconds += seconds;
  found->bytes += work.bytes;
  found->multiply_adds += work.multiply_adds;
}

}  // namespace tessera
