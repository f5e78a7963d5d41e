// What every verb of the command line shares.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tessera::cli {

// Exit statuses that scripts can rely on.
inline constexpr int kDone = 0, kFailed = 1, kWrongCommand = 2, kInterrupted = 130;

// Flags that mean the same everywhere.
struct CommonOptions {
  std::string model;    // -m, --model; "" means $TESSERA_MODEL, else the default model
  int64_t threads = 0;  // -j, --threads; 0 means what affinity and cgroup allow
  bool json = false;    // --json
};

struct Verb {
  std::string name;     // "run"; "bench model" is the verb `model` under `bench`
  std::string summary;  // one line, for `tessera --help`
  // Declares flags and the help's example on `app`; returns what runs once they are parsed. The
  // returned function gives the exit status; Errors may pass through it.
  std::function<std::function<int()>(CLI::App& app)> set_up;
};

// The generated table, in alphabetical order.
const std::vector<Verb>& verbs();

// Declare the shared flags on a verb; `options` must outlive parsing.
void add_model(CLI::App& app, CommonOptions& options);
void add_threads(CLI::App& app, CommonOptions& options);
void add_json(CLI::App& app, CommonOptions& options);
// Puts one real example with what it prints at the top of the verb's help.
void teach(CLI::App& app, const std::string& example);

// The model reference to open: what was given, else $TESSERA_MODEL, else the default model's name.
std::string model_reference(const CommonOptions& options);
// Threads to use for -j 0.
int64_t available_threads();
// "tessera 0.1.0 (commit), avx512": version, commit and the processor level in use.
std::string version_text();
// All of standard input.
std::string read_standard_input();
// A message for people, on standard error, one line.
void tell(const std::string& line);
bool is_terminal(int fd);
// Whether Ctrl-C was pressed since the last call of clear_interrupt().
bool interrupted();
void clear_interrupt();

}  // namespace tessera::cli
