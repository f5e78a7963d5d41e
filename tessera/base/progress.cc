#include "tessera/base/progress.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace tessera {
namespace {

constexpr std::chrono::nanoseconds kInterval = std::chrono::milliseconds(100);

std::string amount(double value, const std::string& unit) {
  if (unit != "bytes") {
    return value < 100 && value != static_cast<double>(static_cast<int64_t>(value))
               ? fmt::format("{:.1f} {}", value, unit)
               : fmt::format("{:.0f} {}", value, unit);
  }
  const char* names[] = {"B", "kB", "MB", "GB", "TB"};
  int step = 0;
  while (value >= 1000 && step < 4) {
    value /= 1000;
    ++step;
  }
  return step == 0 ? fmt::format("{:.0f} B", value) : fmt::format("{:.1f} {}", value, names[step]);
}

std::string duration(double seconds) {
  int64_t s = std::llround(seconds);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{}:{:02} min", s / 60, s % 60);
  return fmt::format("{}:{:02} h", s / 3600, s / 60 % 60);
}

}  // namespace

Progress::Progress(ProgressOptions options) : options_(std::move(options)) {
  if (!options_.sink) return;
  if (!options_.now) {
    options_.now = [] {
      return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch());
    };
  }
  start_ = options_.now();
  next_draw_ = (start_ + kInterval).count();
}

Progress::~Progress() {
  try {
    finish();
  } catch (...) {
    // A sink that fails must not turn an error in flight into the program's end.
    finished_ = true;
  }
}

void Progress::advance(int64_t count) {
  done_.fetch_add(count, std::memory_order_relaxed);
  if (!options_.sink) return;
  auto now = options_.now();
  int64_t due = next_draw_.load(std::memory_order_relaxed);
  // Whoever moves the date draws; the others go on working.
  if (now.count() < due || !next_draw_.compare_exchange_strong(due, (now + kInterval).count())) {
    return;
  }
  std::lock_guard lock(drawing_);
  if (!finished_) draw(now);
}

void Progress::finish() {
  if (!options_.sink) return;
  std::lock_guard lock(drawing_);
  if (finished_) return;
  finished_ = true;
  draw(options_.now());
  options_.sink("\n");
}

std::string Progress::line(std::chrono::nanoseconds elapsed) const {
  auto finished = static_cast<double>(done());
  double seconds = std::chrono::duration<double>(elapsed).count();
  double rate = seconds > 0 ? finished / seconds : 0;
  std::string out = options_.label;
  if (options_.total > 0) {
    double share = std::clamp(finished / static_cast<double>(options_.total), 0.0, 1.0);
    auto full = static_cast<size_t>(share * options_.width);
    out += " [" + std::string(full, '#') +
           std::string(static_cast<size_t>(options_.width) - full, '.') + "]" +
           fmt::format(" {:3.0f}%", share * 100);
  }
  out += "  " + amount(finished, options_.unit);
  if (options_.total > 0) {
    out += " of " + amount(static_cast<double>(options_.total), options_.unit);
  }
  if (rate > 0) out += ", " + amount(rate, options_.unit) + "/s";
  double left = static_cast<double>(options_.total) - finished;
  if (rate > 0 && left > 0 && !finished_) out += ", " + duration(left / rate) + " left";
  if (finished_) out += ", " + duration(seconds);
  return out;
}

void Progress::draw(std::chrono::nanoseconds now) {
  std::string text = line(now - start_);
  size_t length = text.size();
  // Spaces wipe out the rest of a longer line before.
  if (length < drawn_) text.append(drawn_ - length, ' ');
  drawn_ = length;
  options_.sink("\r" + text);
}

std::function<void(std::string_view)> descriptor_sink(int fd) {
  return [fd](std::string_view text) {
    while (!text.empty()) {
      ssize_t n = ::write(fd, text.data(), text.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;  // a bar that cannot be shown is no failure of the work
      text.remove_prefix(static_cast<size_t>(n));
    }
  };
}

}  // namespace tessera
