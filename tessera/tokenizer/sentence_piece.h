// Vocabularies as SentencePiece has them: pieces with scores, a space written U+2581. They come in
// `.model` files and in GGUF under the names "llama" and "t5". Source: Kudo and Richardson 2018,
// arXiv 1808.06226; docs/formats/sentencepiece.md.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/tokenizer/sentence_piece_normaliser.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/unigram.h"

namespace tessera {

// The numbers that both formats use.
enum class PieceType : uint8_t { normal = 1, unknown, control, user_defined, unused, byte };

struct ScoredPiece {
  std::string_view text;
  float score = 0;
  PieceType type = PieceType::normal;
};

// How a text is cut, under the numbers of the format.
enum class SentencePieceKind : uint8_t { unigram = 1, bpe, word, character };

struct SentencePieceOptions {
  SentencePieceKind kind = SentencePieceKind::bpe;
  UnigramSums sums =
      UnigramSums::floats;  // doubles: user-defined pieces score 0, bytes are unknown
  // Its `kept` are filled from the pieces.
  SentencePieceRules rules;
  // How user-defined pieces are found: in the text as it stands, each stretch between them being a
  // text of its own (GGUF), or behind the normaliser, as symbols that never join (.model).
  bool user_defined_in_raw_text = false;
  std::string unknown_text = " \xE2\x81\x87 ";  // what the unknown piece is when decoded
  bool adds_bos = false, adds_eos = false;
  bool library_parses_control = false;  // as Tokenizer has it
  std::optional<TokenId> bos, eos, unknown;
};

// Unigram: the sum of scores decides. Byte pairs: neighbours whose concatenation is a
// piece are joined, the highest score first, then the leftmost. Throws Error naming `where` and the
// piece that is there twice, is longer than 1,000 bytes, or has a score that is no number.
std::shared_ptr<const Tokenizer> make_sentence_piece(const std::vector<ScoredPiece>& pieces,
                                                     SentencePieceOptions options,
                                                     const std::string& where);

// Reads a `.model` file. Throws Error with the byte of a fault.
std::shared_ptr<const Tokenizer> read_sentence_piece(const std::string& path);
std::shared_ptr<const Tokenizer> parse_sentence_piece(std::string_view bytes,
                                                      const std::string& where);

}  // namespace tessera
