// Decoders that tokenizer.json names. Meaning: docs/formats/tokenizer-json.md.
#pragma once

#include "tessera/tokenizer/parts.h"
#include "tessera/tokenizer/pre_tokenizers.h"

namespace tessera {

// Joins the pieces with spaces: what a file without decoder asks for.
std::unique_ptr<Decoder> space_joiner();
// Nothing to do: pieces are what they say.
std::unique_ptr<Decoder> sequence(std::vector<std::unique_ptr<Decoder>> parts);
std::unique_ptr<Decoder> byte_level_decoder();
std::unique_ptr<Decoder> word_piece_decoder(std::string prefix, bool cleanup);
// "<0x0A>" -> the byte. Bytes that are no UTF-8 stay what they are.
std::unique_ptr<Decoder> byte_fallback_decoder();
std::unique_ptr<Decoder> fuse_decoder();
// Takes up to `start` (`stop`) times `content` from the front (end) of every piece.
std::unique_ptr<Decoder> strip_decoder(std::string content, size_t start, size_t stop);
std::unique_ptr<Decoder> replace_decoder(Pattern pattern, std::string content, bool one_unit);
std::unique_ptr<Decoder> metaspace_decoder(std::string replacement, PrependScheme prepend);
// The suffix at the end of a word becomes a space.
std::unique_ptr<Decoder> suffix_decoder(std::string suffix);

struct CtcOptions {
  std::string pad = "<pad>";   // ends a run of equal pieces, and is dropped
  std::string word_end = "|";  // becomes a space
  bool cleanup = true;         // as word_piece_decoder; without it word_end stays
};
// Of a run of equal pieces one is left.
std::unique_ptr<Decoder> ctc_decoder(CtcOptions options);

// The byte that a piece like "<0x0A>" names, or -1.
int named_byte(std::string_view piece);
// The piece with a space for every U+2581.
std::string marks_to_spaces(std::string_view piece);
// The bytes of a piece that is written in the byte-level alphabet throughout; the piece itself
// else.
std::string byte_level_bytes(std::string_view piece);

}  // namespace tessera
