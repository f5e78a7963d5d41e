// What every verb of the command line shares.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/base/error.h"

namespace CLI {
class App;
}

namespace tessera::cli {

// Exit statuses that scripts can rely on.
inline constexpr int kDone = 0, kFailed = 1, kWrongCommand = 2, kInterrupted = 130;

// What only the command line can be blamed for: exit status 2.
class WrongCommand : public Error {
 public:
  using Error::Error;
  explicit WrongCommand(const Error& error) : Error(error) {}
};

// Flags that mean the same everywhere.
struct CommonOptions {
  std::string model;                      // -m, --model; "" means $TESSERA_MODEL, else the default
  std::vector<std::string> assume_inert;  // --assume-inert
  std::string tokenizer;                  // --tokenizer; "" means the model's own
  std::string cache_type;                 // --cache-type; "" means what suits the weights
  bool precise = false;                   // --precise
  std::string device;                     // --device; "" means the engine, on this processor
  int64_t ctx = 0;                        // --ctx; 0 means what the model serves by itself
  std::string rope_scaling;               // --rope-scaling; "" means as the model's files say
  int64_t threads = 0;                    // -j, --threads; 0 means what affinity and cgroup allow
  bool json = false;                      // --json
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

// Declare the shared flags on a verb; `options` must outlive parsing. add_model() is for verbs that
// open a model, add_reference() for those that need no more than its tokenizer.
void add_model(CLI::App& app, CommonOptions& options);
void add_reference(CLI::App& app, CommonOptions& options);
// For verbs that open several models, one after another; `options.model` stays "".
void add_models(CLI::App& app, std::vector<std::string>& models, CommonOptions& options);
void add_tokenizer(CLI::App& app, CommonOptions& options);
void add_ctx(CLI::App& app, CommonOptions& options);
void add_cache_type(CLI::App& app, CommonOptions& options);
void add_precise(CLI::App& app, CommonOptions& options);
void add_device(CLI::App& app, CommonOptions& options);
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
// A line of a terminal without its end; std::nullopt at the end of input. Ctrl-C drops what was
// typed and asks again with `prompt`; pressed twice in a row it ends the program.
std::optional<std::string> read_line(const std::string& prompt);

// Part of the result, on standard output. Throws when it cannot be written; main() knows whether
// the reader went away or the disk is full.
void put(std::string_view text);
// The same, and sends it off at once.
void put_now(std::string_view text);
// Whether nobody reads standard output any more.
bool reader_gone();
// A message for people, on standard error, one line.
void tell(const std::string& line);
bool is_terminal(int fd);

// Ctrl-C ends the program with kInterrupted until a verb asks interrupted() for the first time;
// from then on the first press is the verb's to answer and only a second one ends the program.
void install_interrupts();
// Whether Ctrl-C was pressed since the last call of clear_interrupt().
bool interrupted();
void clear_interrupt();

}  // namespace tessera::cli
