// What `eval needle`, `passkey`, `niah`, `threads`, `chain` and `ruler` share: a sweep of policies
// over lengths and depths. What is asked, and what an answer is worth, says a SweepTask; each is in
// the file of its verb, and nothing else names it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "apps/tessera/verb.h"
#include "tessera/eval/needle.h"

namespace tessera::cli {

class SweepTask {
 public:
  explicit SweepTask(std::string verb) : name(std::move(verb)) {}
  SweepTask(const SweepTask&) = delete;
  SweepTask& operator=(const SweepTask&) = delete;
  virtual ~SweepTask() = default;

  const std::string name;  // of the verb, and of its items where parts() has no others
  uint64_t seed = 1;       // of the items

  // Flags of its own.
  virtual void add_flags(CLI::App& app) = 0;
  // Throws WrongCommand for flags that contradict each other.
  virtual void check() const {}
  // Whether items are made for each of --depths.
  virtual bool at_depths() const { return false; }
  // Whether the item's depth is where all that is asked for stands: an effective length must then
  // be reached at every depth.
  virtual bool placed() const { return false; }
  // Kinds of items that have names of their own, in order; none: all are of one.
  virtual std::vector<std::string> parts() const { return {}; }
  // Reads what items are made from, and gives a name of it for the manifest.
  virtual std::string prepare() = 0;
  // The flags that items or scores depend on, for the manifest.
  virtual nlohmann::ordered_json settings() const = 0;
  // As make_needle().
  virtual NeedleItem make(const std::string& part, double depth, uint64_t index, int64_t room,
                          const std::function<int64_t(const std::string&)>& length) const = 0;
  // Tokens that an answer takes at most, and how the help says it.
  virtual int64_t answer_tokens(const std::string& part) const = 0;
  virtual std::string longest_answer() const = 0;
  // `right`; for an answer of parts `share`, and what else is known of it. Base: whether the answer
  // is there.
  virtual nlohmann::ordered_json score(const NeedleItem& item, const std::string& output) const;
};

// Flags that several tasks have.
void add_unit(CLI::App& app, NeedleUnit& unit);
void add_haystack(CLI::App& app, std::string& file);

std::string unit_name(NeedleUnit unit);

// The file's sentences, or made-up ones where it is ""; `name` is set to what tells it from others.
std::vector<std::string> haystack_of(const std::string& file, uint64_t seed, std::string& name);

// `eval` with the task that `make` gives, and the options that all tasks have.
Verb sweep_verb(const std::string& name, const std::string& summary, const std::string& example,
                std::function<std::unique_ptr<SweepTask>()> make);

}  // namespace tessera::cli
