// A progress bar for long work: done, total, rate and remaining time on one line that is drawn
// over. The library never prints: the caller in apps/ gives a sink when standard error is a
// terminal (or the person asked for a bar); without a sink nothing happens.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace tessera {

struct ProgressOptions {
  std::string label;                           // "reading corpus"
  int64_t total = 0;                           // 0: not known
  std::string unit = "items";                  // "bytes" is shown in kB, MB, GB
  std::function<void(std::string_view)> sink;  // takes what a terminal should receive; null: quiet
  std::function<std::chrono::nanoseconds()> now;  // null: the steady clock
  int width = 24;                                 // characters of the bar
};

class Progress {
 public:
  explicit Progress(ProgressOptions options);
  // Ends the line, whether the work was done or an error passes through.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // More work done. Draws at most ten times a second. Any thread may call; a call that does not
  // draw costs an addition and a look at the clock, or nothing at all without a sink.
  void advance(int64_t count = 1);
  // Draws the last state and ends the line. Later calls do nothing.
  void finish();
  int64_t done() const { return done_.load(std::memory_order_relaxed); }

 private:
  std::string line(std::chrono::nanoseconds elapsed) const;
  void draw(std::chrono::nanoseconds now);

  ProgressOptions options_;
  std::chrono::nanoseconds start_{};
  std::atomic<int64_t> done_{0};
  std::atomic<int64_t> next_draw_{0};  // nanoseconds of the clock
  std::mutex drawing_;
  size_t drawn_ = 0;  // length of the line on the terminal
  bool finished_ = false;
};

// A sink that writes to a file descriptor of the caller, who decides whether it is a terminal.
std::function<void(std::string_view)> descriptor_sink(int fd);

}  // namespace tessera
