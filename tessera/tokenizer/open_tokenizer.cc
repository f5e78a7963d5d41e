#include "tessera/tokenizer/open_tokenizer.h"

#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/files/gguf.h"
#include "tessera/tokenizer/json_value.h"
#include "tessera/tokenizer/sentence_piece.h"
#include "tessera/tokenizer/tekken.h"
#include "tessera/tokenizer/tokenizer_json.h"

namespace tessera {
namespace {

// A protocol buffer whose first field is a message: the first piece.
bool looks_like_sentence_piece(std::string_view bytes) { return bytes.starts_with('\x0A'); }

bool looks_like_json(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  const size_t at = bytes.find_first_not_of(" \t\r\n");
  if (at == std::string_view::npos || bytes[at] != '{') return false;
  // A line end and a brace could also begin a message whose first piece has 123 bytes.
  return bytes[0] != '\x0A' ||
         bytes.substr(at + 1).find_first_not_of(" \t\r\n") != std::string_view::npos;
}

}  // namespace

OpenedTokenizer open_tokenizer_file(const std::string& path, const TiktokenOptions& ranks) {
  const MappedFile file(path);
  const std::string_view bytes = file.text();
  if (looks_like_tiktoken(bytes)) {
    return {parse_tiktoken(bytes, path, ranks), TokenizerFormat::tiktoken};
  }
  if (!ranks.encoding.empty() || !ranks.pattern.empty()) {
    throw Error(path, "says itself how text is cut",
                "Leave out --encoding and --pattern: they are for rank files of tiktoken.");
  }
  if (bytes.starts_with("GGUF")) {
    return {read_gguf_tokenizer(GgufFile(path)), TokenizerFormat::gguf};
  }
  if (looks_like_json(bytes)) {
    simdjson::dom::parser parser;
    const JsonValue top(parse_json(parser, bytes, path), path, "");
    if (looks_like_tekken(top)) return {read_tekken(top), TokenizerFormat::tekken};
    return {read_tokenizer_json(top), TokenizerFormat::tokenizer_json};
  }
  if (looks_like_sentence_piece(bytes)) {
    return {parse_sentence_piece(bytes, path), TokenizerFormat::sentence_piece};
  }
  throw Error(path, "is no tokenizer that we know",
              "Known are tokenizer.json, tekken JSON, SentencePiece .model, rank files of tiktoken "
              "and GGUF.");
}

bool is_sentence_piece_file(const std::string& path) {
  const MappedFile file(path);
  const std::string_view bytes = file.text();
  return !looks_like_tiktoken(bytes) && !looks_like_json(bytes) && looks_like_sentence_piece(bytes);
}

}  // namespace tessera
