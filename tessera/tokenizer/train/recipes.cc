#include "tessera/tokenizer/train/recipes.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/base/spec.h"

namespace tessera {
namespace {

struct Recipe {
  std::string_view name, spec;
  std::vector<std::string> specials;
};

const std::vector<Recipe>& recipes() {
  static const std::vector<Recipe> all = {
      {"domain",
       "forced:groups=all,pad=on,min-frequency=10",
       {"<|start|>", "<|end|>", "<|pad|>", "<|unk|>", "<|sep|>", "<|cls|>", "<|mask|>",
        "<|system|>", "</|system|>", "<|user|>", "</|user|>", "<|instruction|>",
        "</|instruction|>"}},
      {"char",
       "forced:pad=on,max-chars=3,min-frequency=2",
       {"<|start|>", "<|end|>", "<|pad|>", "<|unk|>", "<|sep|>", "<|cls|>", "<|mask|>"}}};
  return all;
}

}  // namespace

std::string recipe_spec(std::string_view recipe, TrainingRequest& request) {
  const Spec asked = Spec::parse(recipe);
  std::vector<std::string> names;
  for (const Recipe& known : recipes()) {
    names.emplace_back(known.name);
    if (asked.name != known.name) continue;
    Spec spec = Spec::parse(known.spec);
    for (const auto& [key, value] : asked.options) {
      const auto it = std::find_if(spec.options.begin(), spec.options.end(),
                                   [&](const auto& option) { return option.first == key; });
      if (it != spec.options.end()) {
        it->second = value;
      } else {
        spec.options.emplace_back(key, value);
      }
    }
    std::vector<std::string> specials = known.specials;
    specials.insert(specials.end(), request.specials.begin(), request.specials.end());
    request.specials = std::move(specials);
    if (request.normaliser.empty()) request.normaliser = "nfkc";
    return spec.text();
  }
  throw Error("--recipe " + asked.name, "is not there; there are domain, char",
              did_you_mean(asked.name, names));
}

}  // namespace tessera
