#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/tessera/sweep.h"
#include "tessera/eval/chain.h"

namespace tessera::cli {
namespace {

class ChainTask final : public SweepTask {
 public:
  ChainTask() : SweepTask("chain") {}

  void add_flags(CLI::App& app) override {
    app.add_option("--keys", chain_.keys, "keys of the chain [10]")
        ->type_name("N")
        ->check(CLI::Range(1, 1000));
  }
  std::string prepare() override {
    chain_.seed = seed;
    return "keys";
  }
  nlohmann::ordered_json settings() const override { return {{"keys", chain_.keys}}; }
  NeedleItem make(const std::string&, double, uint64_t index, int64_t room,
                  const std::function<int64_t(const std::string&)>& length) const override {
    return make_chain(chain_, index, room, length);
  }
  int64_t answer_tokens(const std::string&) const override { return 24 + 12 * chain_.keys; }
  std::string longest_answer() const override { return "24, and 12 a key"; }
  nlohmann::ordered_json score(const NeedleItem& item, const std::string& output) const override {
    const double share = score_chain(output, item.text, static_cast<int64_t>(item.answers.size()));
    return {{"right", share == 1}, {"share", share}};
  }

 private:
  ChainOptions chain_;
};

}  // namespace

Verb verb_eval_chain() {
  return sweep_verb("chain", "a chain through a list of keys that begin where others end",
                    "  tessera eval chain --keys 5 --lengths 512,1024\n"
                    "Scored is how far each chain is valid, whichever one it is.",
                    [] { return std::make_unique<ChainTask>(); });
}

}  // namespace tessera::cli
