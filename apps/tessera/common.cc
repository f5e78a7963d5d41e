#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "apps/tessera/verb.h"
#include "tessera/base/error.h"
#include "tessera/base/version.h"

namespace tessera::cli {
namespace {

std::atomic<int> interrupts{0};

// The first Ctrl-C asks; a second one, unanswered, ends the program.
void on_interrupt(int) {
  if (interrupts.fetch_add(1) > 0) _exit(kInterrupted);
}

// CPU share that the cgroup allows, 0 when it says nothing.
int64_t cgroup_cpus() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return std::max<int64_t>(1, static_cast<int64_t>(std::atof(quota.c_str()) / period + 0.5));
}

}  // namespace

void add_model(CLI::App& app, CommonOptions& options) {
  app.add_option("-m,--model", options.model,
                 "model: a file, a folder, a name that `tessera models` lists, or org/name in the "
                 "Hugging Face cache [$TESSERA_MODEL, else smollm2]")
      ->type_name("REF");
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

std::string read_standard_input() {
  std::string text;
  char buffer[1 << 16];
  while (size_t n = std::fread(buffer, 1, sizeof buffer, stdin)) text.append(buffer, n);
  if (std::ferror(stdin)) throw Error("standard input", "cannot be read");
  return text;
}

void tell(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

bool is_terminal(int fd) { return isatty(fd) == 1; }

bool interrupted() {
  static const bool installed = [] {
    struct sigaction action{};
    action.sa_handler = on_interrupt;
    sigaction(SIGINT, &action, nullptr);
    return true;
  }();
  return installed && interrupts.load() > 0;
}

void clear_interrupt() { interrupts.store(0); }

std::string version_text() { return fmt::format("tessera {} ({})", version(), commit()); }

}  // namespace tessera::cli
