#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <new>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "apps/tessera/verb.h"
#include "tessera/base/error.h"
#include "tessera/base/version.h"

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

// CLI11 says what is wrong with a command line; the nearest verb is ours to add.
int refuse_command(const CLI::App& root, const CLI::ParseError& error, int argc, char** argv) {
  std::vector<std::string> names;
  for (const Verb& v : verbs()) names.push_back(v.name.substr(0, v.name.find(' ')));
  std::string hint;
  if (argc > 1 && argv[1][0] != '-' && root.get_subcommands().empty()) {
    bool known = false;
    for (const auto& n : names) known = known || n == argv[1];
    if (!known) {
      tell(fmt::format("tessera: no verb \"{}\". {} `tessera --help` lists them.", argv[1],
                       did_you_mean(argv[1], names)));
      return kWrongCommand;
    }
  }
  std::string verb = root.get_subcommands().empty() ? "" : root.get_subcommands()[0]->get_name();
  tell(fmt::format("tessera{}: {}. `tessera {}--help` shows what it takes.",
                   verb.empty() ? "" : " " + verb, error.what(), verb.empty() ? "" : verb + " "));
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
  try {
    root.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    CLI::App* at = &root;
    while (!at->get_subcommands().empty()) at = at->get_subcommands()[0];
    std::fputs(at->help().c_str(), stdout);
    return kDone;
  } catch (const CLI::CallForVersion&) {
    std::puts(version_text().c_str());
    return kDone;
  } catch (const CLI::ParseError& error) {
    return refuse_command(root, error, argc, argv);
  }
  return chosen();
}

}  // namespace
}  // namespace tessera::cli

int main(int argc, char** argv) {
  using namespace tessera::cli;
  std::signal(SIGPIPE, SIG_IGN);
  int status = kFailed;
  try {
    status = run(argc, argv);
  } catch (const tessera::Error& error) {
    tell(std::string("tessera: ") + error.what());
  } catch (const std::bad_alloc&) {
    tell("tessera: out of memory. `tessera inspect MODEL` shows what a model needs.");
  } catch (const std::exception& error) {
    tell(std::string("tessera: unexpected: ") + error.what());
  }
  bool lost = std::fflush(stdout) != 0;
  // A reader that went away is no failure of ours; a full disk is.
  if (lost && errno != EPIPE && status == kDone) {
    tell("tessera: standard output cannot be written.");
    status = kFailed;
  }
  _exit(status);
}
