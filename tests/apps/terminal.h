// The built binary on a pseudo-terminal, driven as by a person.
#pragma once

#include <chrono>
#include <csignal>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/apps/spawn.h"

namespace tessera::test {

inline constexpr std::string_view kCtrlC = "\x03", kCtrlD = "\x04";

class Terminal {
 public:
  explicit Terminal(const std::vector<std::string>& arguments) {
    child_ = forkpty(&screen_, nullptr, nullptr, nullptr);
    if (child_ == 0) become(arguments, {});
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    close(screen_);
  }

  bool type(std::string_view keys) {
    return write(screen_, keys.data(), keys.size()) == static_cast<ssize_t>(keys.size());
  }
  // Reads until `text` stands on the screen behind what was waited for before; gives what stands
  // before it, or everything when the program ended or four minutes passed.
  std::string until(std::string_view text) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(4);
    for (;;) {
      if (const size_t at = unread_.find(text); at != std::string::npos) {
        found_ = true;
        std::string before = unread_.substr(0, at);
        unread_.erase(0, at + text.size());
        return before;
      }
      pollfd state{screen_, POLLIN, 0};
      char buffer[4096];
      ssize_t n = 0;
      if (std::chrono::steady_clock::now() > end ||
          (poll(&state, 1, 100) > 0 && (n = read(screen_, buffer, sizeof buffer)) <= 0)) {
        found_ = false;
        return std::exchange(unread_, "");
      }
      unread_.append(buffer, static_cast<size_t>(n));
    }
  }
  bool found() const { return found_; }
  // The exit status; -1 when it was a signal that ended it.
  int wait() {
    until("\x1b[never");
    int status = 0;
    waitpid(std::exchange(child_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t child_ = -1;
  int screen_ = -1;
  bool found_ = false;
  std::string unread_;
};

}  // namespace tessera::test
