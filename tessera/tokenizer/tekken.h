// Tekken vocabularies, JSON files of mistral-common: docs/formats/tekken.md.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tessera/tokenizer/ranked_bpe.h"

namespace tessera {

class JsonValue;

// Whether a JSON document has what only these files have: `config.pattern` and a list `vocab`.
bool looks_like_tekken(const JsonValue& top);

// Throws Error naming the JSON path of a fault.
std::shared_ptr<const Tokenizer> read_tekken(const JsonValue& top);
// What the tokenizer is made of.
RankedVocabulary tekken_vocabulary(const JsonValue& top);
std::shared_ptr<const Tokenizer> parse_tekken(std::string_view json, const std::string& where);

}  // namespace tessera
