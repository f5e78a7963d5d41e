#include "tessera/decode/stop_scanner.h"

#include <algorithm>
#include <utility>

namespace tessera {

StopScanner::StopScanner(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& s) { return s.empty(); });
}

std::string StopScanner::push(std::string_view text) {
  if (stopped_) return "";
  held_ += text;
  // The one that is complete first; of several that end together the longest.
  size_t begin = std::string::npos, end = std::string::npos;
  for (const std::string& stop : stops_) {
    size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    if (at + stop.size() < end || (at + stop.size() == end && at < begin)) {
      begin = at;
      end = at + stop.size();
    }
  }
  if (end != std::string::npos) {
    stopped_ = true;
    held_.resize(begin);
    return std::exchange(held_, {});
  }
  // The earliest place from which the rest of the text could still grow into a stop string.
  size_t certain = held_.size();
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > 0; --n) {
      if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, n))) {
        certain = std::min(certain, held_.size() - n);
        break;
      }
    }
  }
  std::string out = held_.substr(0, certain);
  held_.erase(0, certain);
  return out;
}

std::string StopScanner::finish() { return std::exchange(held_, {}); }

}  // namespace tessera
