#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <system_error>
#include <utility>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include "apps/tessera/verb.h"
#include "tessera/base/error.h"
#include "tessera/base/version.h"
#include "tessera/kernels/kernels.h"

namespace tessera::cli {
namespace {

std::atomic<int> interrupts{0};
std::atomic<bool> listening{false};
// A byte goes through it with each interrupt, so that waiting for input ends whichever thread the
// signal came to, and however shortly before the wait.
std::array<int, 2> wake = {-1, -1};

void on_interrupt(int) {
  if (interrupts.fetch_add(1) > 0 || !listening) _exit(kInterrupted);
  const int kept = errno;
  [[maybe_unused]] const ssize_t written = write(wake[1], "", 1);
  errno = kept;
}

// Takes what is in the pipe.
void drain_wake() {
  std::array<char, 64> bytes{};
  while (read(wake[0], bytes.data(), bytes.size()) > 0) {
  }
}

// CPU share that the cgroup allows, 0 when it says nothing.
int64_t cgroup_cpus() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return std::max<int64_t>(1, std::lround(std::atof(quota.c_str()) / period));
}

}  // namespace

namespace {

constexpr const char* kModelHelp =
    "model: a file, a folder, a name that `tessera models` lists, or org/name in the Hugging Face "
    "cache [$TESSERA_MODEL, else smollm2]";

void add_assume_inert(CLI::App& app, CommonOptions& options) {
  app.add_option("--assume-inert", options.assume_inert,
                 "accept a config key or tensor that Tessera does not know (repeatable)")
      ->type_name("KEY");
}

}  // namespace

void add_reference(CLI::App& app, CommonOptions& options) {
  app.add_option("-m,--model", options.model, kModelHelp)->type_name("REF");
}

void add_model(CLI::App& app, CommonOptions& options) {
  add_reference(app, options);
  add_assume_inert(app, options);
}

void add_models(CLI::App& app, std::vector<std::string>& models, CommonOptions& options) {
  app.add_option("-m,--model", models, std::string(kModelHelp) + " (repeatable)")
      ->type_name("REF")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add_assume_inert(app, options);
}

void add_tokenizer(CLI::App& app, CommonOptions& options) {
  app.add_option("--tokenizer", options.tokenizer, "a tokenizer instead of the model's own")
      ->type_name("FILE");
}

void add_ctx(CLI::App& app, CommonOptions& options) {
  app.add_option(
         "--ctx", options.ctx,
         "tokens that a text may have, answer included; a model with factors for long texts "
         "uses them when N asks for it [the trained window, of such a model the original "
         "one]")
      ->type_name("N")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 31));
  app.add_option("--rope-scaling", options.rope_scaling,
                 "stretch the positions for longer texts, without training: linear, ntk, yarn or "
                 "dynamic, as yarn:factor=2 [as the model's files say]")
      ->type_name("SPEC");
}

void add_cache_type(CLI::App& app, CommonOptions& options) {
  app.add_option("--cache-type", options.cache_type,
                 "how keys and values are kept: f32, f16, bf16, q8 [f32 for f32 weights, else f16]")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"f32", "f16", "bf16", "q8"}));
}

void add_precise(CLI::App& app, CommonOptions& options) {
  app.add_flag("--precise", options.precise,
               "round nothing to 8 bits on its way into quantised weights: answers of fp32, slower "
               "reading");
}

void add_device(CLI::App& app, CommonOptions& options) {
  app.add_option("--device", options.device,
                 "run the network by libtorch, in fp32, on a graphics processor (cuda, cuda:1, ..) "
                 "or on this processor (cpu), not by the engine")
      ->type_name("DEVICE");
}

void add_threads(CLI::App& app, CommonOptions& options) {
  app.add_option("-j,--threads", options.threads, "worker threads [what this machine allows]")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
}

void add_json(CLI::App& app, CommonOptions& options) {
  app.add_flag("--json", options.json, "one JSON object a result on standard output");
}

void teach(CLI::App& app, const std::string& example) {
  app.description(app.get_description() + "\n\n" + example + "\n");
}

std::string model_reference(const CommonOptions& options) {
  if (!options.model.empty()) return options.model;
  const char* named = std::getenv("TESSERA_MODEL");
  return named && *named ? named : "smollm2";
}

int64_t available_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int64_t cpus =
      sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
  int64_t allowed = cgroup_cpus();
  return std::max<int64_t>(1, allowed > 0 ? std::min(cpus, allowed) : cpus);
}

std::optional<std::string> read_line(const std::string& prompt) {
  static std::string typed;  // ahead of the line that was asked for
  const bool shown = is_terminal(STDERR_FILENO);
  auto ask = [&] {
    if (shown) std::fputs(prompt.c_str(), stderr);
  };
  clear_interrupt();
  interrupted();
  ask();
  for (;;) {
    if (const size_t end = typed.find('\n'); end != std::string::npos) {
      std::string line = typed.substr(0, end);
      typed.erase(0, end + 1);
      clear_interrupt();  // one that was pressed at the prompt is not the answer's
      return line;
    }
    std::array<pollfd, 2> ready = {{{STDIN_FILENO, POLLIN, 0}, {wake[0], POLLIN, 0}}};
    if (poll(ready.data(), ready.size(), -1) < 0 && errno == EINTR) continue;
    if ((ready[1].revents & POLLIN) != 0) {
      drain_wake();
      typed.clear();
      tell("\nCtrl-C once more or Ctrl-D leaves.");
      ask();
      continue;
    }
    std::array<char, 4096> buffer{};
    const ssize_t n = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n > 0) {
      typed.append(buffer.data(), static_cast<size_t>(n));
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else {
      if (shown) std::fputs("\n", stderr);
      if (typed.empty()) return std::nullopt;
      return std::exchange(typed, "");
    }
  }
}

void put(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) < text.size()) {
    throw std::system_error(errno, std::generic_category(), "standard output");
  }
}

void put_now(std::string_view text) {
  put(text);
  if (std::fflush(stdout) != 0) {
    throw std::system_error(errno, std::generic_category(), "standard output");
  }
}

bool reader_gone() {
  pollfd state{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
  return poll(&state, 1, 0) == 1 && (state.revents & (POLLERR | POLLHUP)) != 0;
}

void tell(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

bool is_terminal(int fd) { return isatty(fd) == 1; }

void install_interrupts() {
  if (pipe2(wake.data(), O_CLOEXEC | O_NONBLOCK) != 0) wake = {-1, -1};
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
}

bool interrupted() {
  listening = true;
  return interrupts.load() > 0;
}

void clear_interrupt() {
  interrupts.store(0);
  drain_wake();
}

std::string version_text() {
  return fmt::format("tessera {} ({}), {}", version(), commit(), kernels().name);
}

}  // namespace tessera::cli
