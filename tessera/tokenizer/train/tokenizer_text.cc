#include "tessera/tokenizer/train/tokenizer_text.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

using Json = nlohmann::ordered_json;

std::vector<SpecialToken> numbered(const std::vector<std::string>& specials) {
  std::vector<SpecialToken> out;
  out.reserve(specials.size());
  for (const std::string& special : specials) {
    out.push_back({static_cast<int64_t>(out.size()), special, true});
  }
  return out;
}

std::string tokenizer_text(const CuttingParts& parts, const std::vector<SpecialToken>& specials,
                           const Json& model) {
  Json added = Json::array();
  for (const SpecialToken& special : specials) {
    added.push_back({{"id", special.id},
                     {"content", special.text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", special.special}});
  }
  const Json top = {{"version", "1.0"},
                    {"truncation", nullptr},
                    {"padding", nullptr},
                    {"added_tokens", added},
                    {"normalizer", Json::parse(parts.normaliser)},
                    {"pre_tokenizer", Json::parse(parts.pre_tokenizer)},
                    {"post_processor", nullptr},
                    {"decoder", Json::parse(parts.decoder)},
                    {"model", model}};
  std::string text = top.dump(2);
  text += '\n';
  parse_tokenizer_json(text, "the trained vocabulary");
  return text;
}

CuttingParts parts_of(const TrainingRequest& request, std::string_view pre_tokenizer,
                      std::string_view normaliser) {
  const auto chosen = [](const std::string& asked, std::string_view standard) {
    return asked.empty() ? std::string(standard) : asked;
  };
  if (!request.pattern.empty() && !request.pre_tokenizer.empty()) {
    throw Error("--pattern and --pre-tokenizer", "exclude each other");
  }
  CuttingParts parts = request.pattern.empty()
                           ? cutting_named(chosen(request.pre_tokenizer, pre_tokenizer))
                           : cutting_by(request.pattern);
  parts.normaliser = normaliser_named(chosen(request.normaliser, normaliser));
  return parts;
}

std::vector<std::string> specials_with(const TrainingRequest& request, const std::string& unknown) {
  std::vector<std::string> out;
  const auto has = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (!unknown.empty() && !has(request.specials, unknown)) out.push_back(unknown);
  for (const std::string& special : request.specials) {
    if (special.empty()) throw Error("--special", "names an empty token");
    if (!has(out, special)) out.push_back(special);
  }
  return out;
}

}  // namespace tessera
