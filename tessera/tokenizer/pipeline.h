// A tokenizer put together from parts.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tessera/tokenizer/added_tokens.h"
#include "tessera/tokenizer/parts.h"
#include "tessera/tokenizer/vocabulary_table.h"

namespace tessera {

struct PipelineParts {
  std::unique_ptr<VocabularyTable> vocabulary;
  std::vector<AddedToken> added;
  std::unique_ptr<Normaliser> normaliser;       // may be null: text stays as it is
  std::unique_ptr<PreTokenizer> pre_tokenizer;  // may be null: the text is one piece
  std::unique_ptr<Model> model;
  TextTemplate frame;
  LengthRules lengths;
  std::unique_ptr<Decoder> decoder;  // null: pieces are joined by bytes()
  std::optional<TokenId> bos, eos;
  bool adds_bos = false;
  bool library_parses_control = true;
  bool library_refuses_control = false;
};

std::shared_ptr<const Tokenizer> make_tokenizer(PipelineParts parts);

}  // namespace tessera
