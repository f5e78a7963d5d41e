// Writes what was learned as a tokenizer.json.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "tessera/tokenizer/train/text_cutter.h"
#include "tessera/tokenizer/train/trainer.h"

namespace tessera {

struct SpecialToken {
  int64_t id;
  std::string text;
  bool special = true;  // else it is text that is never cut
};

// The tokens with ids from 0 on.
std::vector<SpecialToken> numbered(const std::vector<std::string>& specials);

// The file's text. It is read back first: what Tessera could not open is never given out; throws
// Error then.
std::string tokenizer_text(const CuttingParts& parts, const std::vector<SpecialToken>& specials,
                           const nlohmann::ordered_json& model);

// The parts that a request names; what it leaves open comes from the trainer.
CuttingParts parts_of(const TrainingRequest& request, std::string_view pre_tokenizer,
                      std::string_view normaliser = "none");

// The request's special tokens with `unknown`, if it is not empty, among them, in front unless
// named.
std::vector<std::string> specials_with(const TrainingRequest& request, const std::string& unknown);

}  // namespace tessera
