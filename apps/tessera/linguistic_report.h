// `tokenizer compare --language`: what two vocabularies have of a language's words, for people and
// for machines.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "tessera/eval/linguistic.h"

namespace tessera::cli {

class LinguisticReport {
 public:
  // `gold`: a file of words with their right cuts; "" for none.
  LinguisticReport(std::shared_ptr<const Tokenizer> a, std::shared_ptr<const Tokenizer> b,
                   const std::string& language, const std::string& roots, const std::string& gold,
                   bool strict);
  void add(std::string_view text);
  // Both end with finish() of the meters; the table says in lines what the language lacks.
  std::string table() const;
  nlohmann::ordered_json json() const;

 private:
  Language language_;
  bool strict_;
  LinguisticMeter a_, b_;
};

}  // namespace tessera::cli
