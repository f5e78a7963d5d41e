#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/tessera/sweep.h"
#include "tessera/eval/thread.h"

namespace tessera::cli {
namespace {

class ThreadTask final : public SweepTask {
 public:
  ThreadTask() : SweepTask("threads") {}

  void add_flags(CLI::App& app) override {
    add_unit(app, threads_.unit);
    app.add_option("--steps", threads_.steps, "pairs on a thread [2]")
        ->type_name("N")
        ->check(CLI::Range(1, 1000));
    app.add_option("--direction", direction_, "where each next pair stands in the text [forward]")
        ->check(CLI::IsMember({"forward", "backward", "random"}));
    app.add_option("--count", threads_.count,
                   "threads (with --steps 1: keys) that are asked for together [1]")
        ->type_name("N")
        ->check(CLI::Range(1, 1000));
    app.add_option("--branches", threads_.branches,
                   "pairs in which each key but the last one stands; one leads on, and the end of "
                   "the longest way is asked for [1]")
        ->type_name("N")
        ->check(CLI::Range(1, 100));
    app.add_flag("--marked", threads_.marked,
                 "with --steps 1: ask for the values of all keys that hold a mark, of which there "
                 "are --count");
    app.add_option("--placement", placement_, "with --steps 1: where the asked keys stand [random]")
        ->check(CLI::IsMember({"random", "clustered"}));
    app.add_option("--rng", rng_,
                   "what draws keys and values: philox, or python, which with --unit uuid draws "
                   "those of random.Random(seed + item) [philox]")
        ->check(CLI::IsMember({"philox", "python"}));
  }
  void check() const override {
    if (rng_ == "python" && threads_.unit != NeedleUnit::uuid) {
      throw WrongCommand("--rng python", "draws UUIDs", "Add --unit uuid.");
    }
    const bool clustered = placement_ == "clustered";
    if (threads_.steps > 1 && (threads_.marked || clustered)) {
      throw WrongCommand(threads_.marked ? "--marked" : "--placement clustered",
                         fmt::format("is for single pairs, not for {} steps", threads_.steps),
                         "Give --steps 1.");
    }
    if (threads_.branches > 1 && (threads_.steps < 2 || threads_.count > 1)) {
      throw WrongCommand("--branches", "is for one thread of two or more steps",
                         "Give --steps 2 or more, and no --count.");
    }
  }
  bool at_depths() const override { return true; }
  bool placed() const override { return threads_.steps == 1 && !threads_.list(); }
  std::string prepare() override {
    threads_.seed = seed;
    threads_.as_python = rng_ == "python";
    threads_.clustered = placement_ == "clustered";
    threads_.direction = direction_ == "forward"    ? ThreadDirection::forward
                         : direction_ == "backward" ? ThreadDirection::backward
                                                    : ThreadDirection::random;
    return "pairs";
  }
  nlohmann::ordered_json settings() const override {
    nlohmann::ordered_json out = {{"unit", unit_name(threads_.unit)}, {"steps", threads_.steps},
                                  {"direction", direction_},          {"count", threads_.count},
                                  {"marked", threads_.marked},        {"placement", placement_},
                                  {"branches", threads_.branches}};
    if (threads_.as_python) out["rng"] = rng_;
    return out;
  }
  NeedleItem make(const std::string&, double depth, uint64_t index, int64_t room,
                  const std::function<int64_t(const std::string&)>& length) const override {
    // Python's seeds are small numbers: the same pairs begin texts of every length.
    return make_thread(threads_, depth, threads_.as_python ? index % 100'000 : index, room, length);
  }
  // A value in a list takes its own tokens, quotes and a comma.
  int64_t answer_tokens(const std::string&) const override {
    const int64_t more = threads_.unit == NeedleUnit::uuid ? 32 : 0;
    return 24 + more + (threads_.list() ? (16 + more) * threads_.count : 0);
  }
  std::string longest_answer() const override {
    return "24, and 16 a value of a list; 32 more each for UUIDs";
  }
  nlohmann::ordered_json score(const NeedleItem& item, const std::string& output) const override {
    if (item.answers.empty()) return SweepTask::score(item, output);
    const ListScore s = score_list(output, item.answers, !threads_.marked);
    return {{"right", s.share == 1},
            {"share", s.share},
            {"precision", s.precision},
            {"parsed", s.parsed}};
  }

 private:
  ThreadOptions threads_;
  std::string direction_ = "forward", placement_ = "random", rng_ = "philox";
};

}  // namespace

Verb verb_eval_threads() {
  return sweep_verb("threads", "chains of keys and values through a JSON object",
                    "  tessera eval threads --steps 1 --lengths 1024,2048\n"
                    "With one step it is a single needle among its like, with more a chain.",
                    [] { return std::make_unique<ThreadTask>(); });
}

}  // namespace tessera::cli
