// The parts of a tokenizer.json. Format: docs/formats/tokenizer-json.md.
#pragma once

#include <memory>

#include "tessera/tokenizer/json_value.h"
#include "tessera/tokenizer/pipeline.h"

namespace tessera {

std::shared_ptr<const Tokenizer> read_tokenizer_json(const JsonValue& top);

// Each reads one component (never null) and refuses unknown types and members by path and name.
std::unique_ptr<Normaliser> read_normaliser(const JsonValue& json);
std::unique_ptr<PreTokenizer> read_pre_tokenizer(const JsonValue& json);
std::unique_ptr<Decoder> read_decoder(const JsonValue& json);

// The top's `truncation` and `padding`; ids lie below `vocabulary_size`.
LengthRules read_length_rules(const JsonValue& top, int64_t vocabulary_size);

// What is put around one text and around two; its ids lie below `vocabulary_size`.
TextTemplate read_post_processor(const JsonValue& json, int64_t vocabulary_size);

}  // namespace tessera
