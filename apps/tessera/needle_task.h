// One needle in a text: the task of `eval needle`, `niah` and `passkey`.
#pragma once

#include <string>
#include <vector>

#include "apps/tessera/sweep.h"

namespace tessera::cli {

class NeedleTask final : public SweepTask {
 public:
  NeedleTask(std::string verb, const NeedleOptions& standard)
      : SweepTask(std::move(verb)), needle_(standard) {
    seed = standard.seed;
  }

  void add_flags(CLI::App& app) override;
  bool at_depths() const override { return true; }
  bool placed() const override { return true; }
  std::string prepare() override;
  nlohmann::ordered_json settings() const override;
  NeedleItem make(const std::string& part, double depth, uint64_t index, int64_t room,
                  const std::function<int64_t(const std::string&)>& length) const override;
  int64_t answer_tokens(const std::string&) const override { return 24; }
  std::string longest_answer() const override { return "24"; }

 private:
  NeedleOptions needle_;
  std::string file_;
  std::vector<std::string> haystack_;
};

}  // namespace tessera::cli
