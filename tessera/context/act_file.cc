#include "tessera/context/act_file.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "tessera/base/atomic_file.h"
#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;
constexpr int kVersion = 1;
constexpr const char* kAgain = "Make it again with `tessera calibrate`.";

// Throws as nlohmann does for what is no whole number.
int64_t whole(const Json& j, const char* key) {
  const Json& value = j.at(key);
  if (!value.is_number_integer()) return Json::array().at(key);  // a type_error
  return value.get<int64_t>();
}

void check(const std::string& path, const ActFile& f) {
  const auto need = [&](bool holds, const std::string& what) {
    if (!holds) throw Error(path, what, kAgain);
  };
  need(f.layers > 0 && f.heads > 0, "names no layers or heads");
  need(f.beta >= 0 && f.beta <= 1, "beta is not from 0 to 1");
  need(f.rule.tau > 0 && f.rule.tau < 1, "tau is not between 0 and 1");
  need(f.rule.alpha >= 0, "alpha is below 0");
  need(f.rule.min_queries >= 1, "min_queries is below 1");
  need(f.mode == "prompt" || f.mode == "running" || f.mode == "pass",
       "mode is none of prompt, running, pass");
  for (size_t i = 0; i < f.chosen.size(); ++i) {
    const HeadId& h = f.chosen[i].id;
    need(h.layer >= 0 && h.layer < f.layers && h.head >= 0 && h.head < f.heads,
         "names head " + heads_text({&h, 1}) + ", which its own model has not");
    need(i == 0 || f.chosen[i - 1].id < h, "its heads are not in order");
  }
}

}  // namespace

ActFile read_act_file(const std::string& path) {
  return parse_act_file(MappedFile(path).text(), path);
}

ActFile parse_act_file(std::string_view text, const std::string& path) {
  ActFile f;
  try {
    const Json j = Json::parse(text);
    if (whole(j, "tessera_act") != kVersion) {
      throw Error(path, "is of another version of Tessera", kAgain);
    }
    j.at("weights").get_to(f.weights);
    f.layers = whole(j, "layers");
    f.heads = whole(j, "heads");
    j.at("tau").get_to(f.rule.tau);
    j.at("alpha").get_to(f.rule.alpha);
    f.rule.min_queries = whole(j, "min_queries");
    j.at("beta").get_to(f.beta);
    j.at("mode").get_to(f.mode);
    f.seed = static_cast<uint64_t>(whole(j, "seed"));
    for (const Json& h : j.at("calibrated")) {
      f.chosen.push_back({{whole(h, "layer"), whole(h, "head")},
                          h.at("accuracy_gain").get<double>(),
                          h.at("logprob_gain").get<double>()});
    }
    j.at("items").get_to(f.items);
    for (const Json& s : j.at("scores")) {
      f.scores.push_back({s.at("items").get<std::string>(), s.at("what").get<std::string>(),
                          whole(s, "n"), s.at("accuracy").get<double>(),
                          s.at("nll").get<double>()});
    }
  } catch (const nlohmann::json::exception&) {
    throw Error(path, "is no file of calibrated heads", kAgain);
  }
  check(path, f);
  return f;
}

void write_act_file(const std::string& path, const ActFile& f) {
  Json j = {{"tessera_act", kVersion},
            {"weights", f.weights},
            {"layers", f.layers},
            {"heads", f.heads},
            {"tau", f.rule.tau},
            {"alpha", f.rule.alpha},
            {"min_queries", f.rule.min_queries},
            {"beta", f.beta},
            {"mode", f.mode},
            {"seed", f.seed},
            {"calibrated", Json::array()}};
  for (const ActHead& h : f.chosen) {
    j["calibrated"].push_back({{"layer", h.id.layer},
                               {"head", h.id.head},
                               {"accuracy_gain", h.accuracy_gain},
                               {"logprob_gain", h.logprob_gain}});
  }
  j["items"] = f.items;
  j["scores"] = Json::array();
  for (const ActScore& s : f.scores) {
    j["scores"].push_back({{"items", s.items},
                           {"what", s.what},
                           {"n", s.n},
                           {"accuracy", s.accuracy},
                           {"nll", s.nll}});
  }
  write_file(path, j.dump(1) + "\n");
}

}  // namespace tessera
