#include <CLI/CLI.hpp>

#include "apps/tessera/sweep.h"
#include "tessera/eval/ruler.h"

namespace tessera::cli {
namespace {

class RulerTask final : public SweepTask {
 public:
  RulerTask() : SweepTask("ruler") { seed = 42; }

  void add_flags(CLI::App& app) override {
    app.add_option("--tasks", tasks_, "RULER's names of them [all]")
        ->delimiter(',')
        ->type_name("T,..")
        ->check(CLI::IsMember(ruler_tasks()));
    add_haystack(app, file_);
  }
  std::vector<std::string> parts() const override {
    return tasks_.empty() ? ruler_tasks() : tasks_;
  }
  std::string prepare() override {
    std::string origin;
    haystack_ = haystack_of(file_, seed, origin);
    return origin;
  }
  nlohmann::ordered_json settings() const override { return {{"tasks", parts()}}; }
  NeedleItem make(const std::string& part, double, uint64_t index, int64_t room,
                  const std::function<int64_t(const std::string&)>& length) const override {
    return make_ruler({part, seed, haystack_}, index, room, length);
  }
  int64_t answer_tokens(const std::string& part) const override {
    return ruler_answer_tokens(part);
  }
  std::string longest_answer() const override { return "as RULER has it for each task"; }
  nlohmann::ordered_json score(const NeedleItem& item, const std::string& output) const override {
    const ContainedScore s = score_contained(output, item.answers);
    return {{"right", s.share == 1}, {"share", s.share}, {"exact", s.exact}};
  }

 private:
  std::vector<std::string> tasks_, haystack_;
  std::string file_;
};

}  // namespace

Verb verb_eval_ruler() {
  return sweep_verb("ruler", "RULER's synthetic tasks: needles, variables, frequent words",
                    "  tessera eval ruler --tasks niah_single_1,vt --lengths 1024,2048\n"
                    "Lengths count the answer, too. Without --tasks: all of them.",
                    [] { return std::make_unique<RulerTask>(); });
}

}  // namespace tessera::cli
