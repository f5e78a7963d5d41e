#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <new>
#include <system_error>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "apps/tessera/verb.h"
#include "tessera/base/error.h"

namespace tessera::cli {
namespace {

// Two-word verbs ("bench model") live under a group that only shows help.
CLI::App* place_of(CLI::App& root, std::map<std::string, CLI::App*>& groups, const Verb& verb) {
  size_t space = verb.name.find(' ');
  if (space == std::string::npos) return root.add_subcommand(verb.name, verb.summary);
  std::string group = verb.name.substr(0, space);
  CLI::App*& parent = groups[group];
  if (!parent) {
    parent = root.add_subcommand(group, "more under `tessera " + group + " --help`");
    parent->require_subcommand(1);
  }
  return parent->add_subcommand(verb.name.substr(space + 1), verb.summary);
}

// The verb that was reached, or the group that waits for one.
CLI::App* reached(CLI::App& root) {
  CLI::App* at = &root;
  while (!at->get_subcommands().empty()) at = at->get_subcommands()[0];
  return at;
}

std::string path_of(const CLI::App& app) {
  return app.get_parent() ? path_of(*app.get_parent()) + " " + app.get_name() : app.get_name();
}

std::vector<std::string> verbs_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    out.push_back(verb->get_name());
  }
  return out;
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
  }
  return out;
}

// CLI11 says what is wrong with a command line; the nearest name is ours to add.
int refuse_command(CLI::App& root, const CLI::ParseError& error) {
  const CLI::App& at = *reached(root);
  const std::string path = path_of(at);
  std::string fault = error.what(), hint;
  const std::vector<std::string> left = at.remaining();
  if (!left.empty() && left[0].size() > 1 && left[0][0] == '-') {
    const std::string flag = left[0].substr(0, left[0].find('='));
    fault = fmt::format("no flag \"{}\"", flag);
    hint = did_you_mean(flag, flags_of(at));
  } else if (!left.empty() && !verbs_of(at).empty()) {
    fault = fmt::format("no verb \"{}\"", left[0]);
    hint = did_you_mean(left[0], verbs_of(at));
  } else if (!left.empty()) {
    fault = fmt::format("unexpected \"{}\"", left[0]);
    hint = "A text of several words stands in quotes.";
  }
  std::replace(fault.begin(), fault.end(), '\n', ' ');
  tell(fmt::format("{}: {}. {}{}`{} --help` shows what there is.", path, fault, hint,
                   hint.empty() ? "" : " ", path));
  return kWrongCommand;
}

int run(int argc, char** argv) {
  CLI::App root{"Retrofits the language model you have: run, measure, change it."};
  root.name("tessera");
  root.require_subcommand(1);
  root.set_help_flag("-h,--help", "show this help");
  root.set_help_all_flag("");
  root.set_version_flag("--version", [] { return version_text(); }, "version, commit, processor");
  root.footer("exit  0 done   1 the input or the work failed   2 a wrong command line");

  std::function<int()> chosen;
  std::map<std::string, CLI::App*> groups;
  for (const Verb& verb : verbs()) {
    CLI::App* app = place_of(root, groups, verb);
    app->footer("exit  0 done   1 the input or the work failed   2 a wrong command line");
    // The verb is set up only when it is the one asked for: a start costs nothing for the others.
    app->preparse_callback([](size_t) {});
    auto set_up = verb.set_up;
    bool asked = false;
    std::string spoken;
    for (int i = 1; i < argc && i < 3; ++i) {
      spoken += (spoken.empty() ? "" : " ") + std::string(argv[i]);
      asked = asked || spoken == verb.name;
    }
    if (asked) chosen = set_up(*app);
  }
  // Without a verb: what there is, as a reminder and not as a result.
  auto group = argc == 2 ? groups.find(argv[1]) : groups.end();
  if (argc == 1 || group != groups.end()) {
    std::fputs((argc == 1 ? root : *group->second).help().c_str(), stderr);
    return kWrongCommand;
  }
  try {
    root.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    put(reached(root)->help());
    return kDone;
  } catch (const CLI::CallForVersion&) {
    put(version_text() + "\n");
    return kDone;
  } catch (const CLI::ParseError& error) {
    return refuse_command(root, error);
  }
  return chosen();
}

// A standard stream that is closed must not become the first file that is opened.
void hold_standard_streams() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // Opened the wrong way round: using it still fails.
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

// A reader that went away is no failure of ours; a full disk is.
int lost_output(int error) {
  if (error == EPIPE || reader_gone()) return kDone;
  tell(
      fmt::format("tessera: standard output: cannot be written: {}. What was printed is not whole.",
                  std::strerror(error)));
  return kFailed;
}

int guarded_run(int argc, char** argv) {
  try {
    const int status = run(argc, argv);
    errno = 0;
    const bool lost = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
    return lost && status == kDone ? lost_output(errno) : status;
  } catch (const WrongCommand& error) {
    tell(std::string("tessera: ") + error.what());
    return kWrongCommand;
  } catch (const Error& error) {
    std::fflush(stdout);
    tell(std::string("tessera: ") + error.what());
  } catch (const std::system_error& error) {
    if (std::ferror(stdout)) return lost_output(error.code().value());
    tell(std::string("tessera: unexpected: ") + error.what());
  } catch (const std::bad_alloc&) {
    tell("tessera: out of memory. `tessera inspect MODEL` shows what a model needs.");
  } catch (const std::exception& error) {
    tell(std::string("tessera: unexpected: ") + error.what());
  }
  return kFailed;
}

}  // namespace
}  // namespace tessera::cli

int main(int argc, char** argv) {
  tessera::cli::hold_standard_streams();
  std::signal(SIGPIPE, SIG_IGN);
  tessera::cli::install_interrupts();
  const int status = tessera::cli::guarded_run(argc, argv);
  std::fflush(stdout);
  _exit(status);
}
