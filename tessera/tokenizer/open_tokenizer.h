// Any tokenizer file, told apart by what is in it and never by its name.
#pragma once

#include <memory>
#include <string>

#include "tessera/tokenizer/tiktoken.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

enum class TokenizerFormat : uint8_t { tokenizer_json, tekken, sentence_piece, tiktoken, gguf };

struct OpenedTokenizer {
  std::shared_ptr<const Tokenizer> tokenizer;
  TokenizerFormat format;
};

// Reads a tokenizer.json, a tekken JSON, a SentencePiece .model, a rank file of tiktoken or a GGUF
// file. `ranks` says what a rank file does not; giving it for another format is an Error. Throws
// Error naming the file when it is none of these, or what is wrong in it.
OpenedTokenizer open_tokenizer_file(const std::string& path, const TiktokenOptions& ranks = {});

// Whether open_tokenizer_file() would take it for a SentencePiece .model; looks at its first bytes
// alone.
bool is_sentence_piece_file(const std::string& path);

}  // namespace tessera
