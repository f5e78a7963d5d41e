// Runs the built binary as a script would.
#pragma once

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tessera::test {

struct Ended {
  int status = -1;  // exit status; -1: killed by a signal or by the time limit
  std::string out, err;
};

struct SpawnOptions {
  std::string input = {};  // standard input, then its end
  std::vector<std::pair<std::string, std::string>> environment = {};
  size_t read_at_most = SIZE_MAX;  // of standard output, whose reader then goes away
  bool interrupt = false;          // Ctrl-C once something was printed
  int limit_ms = 240000;  // what hangs ends; a model under sanitizers on a busy machine is slow
};

// In the child: becomes the binary, with the given words.
[[noreturn]] inline void become(
    const std::vector<std::string>& arguments,
    const std::vector<std::pair<std::string, std::string>>& environment) {
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  std::vector<std::string> words = {TESSERA_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

inline Ended spawn(const std::vector<std::string>& arguments, const SpawnOptions& options = {}) {
  using Clock = std::chrono::steady_clock;
  int in[2], out[2], err[2];
  if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    become(arguments, options.environment);
  }
  for (int fd : {in[0], out[1], err[1]}) close(fd);
  std::signal(SIGPIPE, SIG_IGN);
  if (!options.input.empty() && write(in[1], options.input.data(), options.input.size()) < 0) {
  }
  close(in[1]);
  Ended ended;
  const auto begin = Clock::now();
  auto passed = [&] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count();
  };
  bool interrupted = !options.interrupt, killed = false;
  pollfd ends[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    poll(ends, 2, 20);
    for (int i = 0; i < 2; ++i) {
      if (ends[i].fd < 0 || ends[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t n = read(ends[i].fd, buffer, sizeof buffer);
      std::string& to = i == 0 ? ended.out : ended.err;
      if (n > 0) to.append(buffer, static_cast<size_t>(n));
      if (n <= 0 || (i == 0 && ended.out.size() >= options.read_at_most)) {
        close(ends[i].fd);
        ends[i].fd = -1;
      }
    }
    if (!interrupted && !ended.out.empty()) {
      interrupted = true;
      kill(child, SIGINT);
    }
    if (!killed && passed() > options.limit_ms) {
      killed = true;
      kill(child, SIGKILL);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!killed && WIFEXITED(status)) ended.status = WEXITSTATUS(status);
  return ended;
}

}  // namespace tessera::test
