// From one tokenizer format to another, where the other can express it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/tokenizer/pipeline.h"
#include "tessera/tokenizer/sentence_piece.h"
#include "tessera/tokenizer/tiktoken.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// A byte-pair vocabulary as the formats between which we convert have it.
struct PortableTokenizer {
  struct Token {
    std::string text;  // as GGUF and SentencePiece write it
    PieceType type = PieceType::normal;
    float score = 0;
  };
  // Merges of pieces in the byte alphabet; else merges follow from scores, spaces are U+2581.
  bool byte_level = false;
  std::vector<Token> tokens;                                // by id
  std::vector<std::pair<std::string, std::string>> merges;  // byte-level only
  std::vector<std::string> patterns;  // byte-level only: one after another, each isolates matches
  bool ignore_merges = false;
  bool dummy_prefix = true;            // not byte-level: a space in front of a text
  bool composes = false;               // texts are brought to NFC first
  std::vector<TokenId> before, after;  // of the template
  std::optional<TokenId> bos, eos;
  std::string where;                       // the file, for errors
  const Vocabulary* vocabulary = nullptr;  // of the tokenizer it was read from
};

// Reads a file of any format; `tokenizer` is the same file, opened. Throws Error naming what no
// other format has.
PortableTokenizer read_portable(const std::string& path, const Tokenizer& tokenizer,
                                const TiktokenOptions& ranks = {});
// The merges that scores stand for: every way to cut a piece into two pieces, the highest score
// first. Needs a tokenizer that is not byte-level.
std::vector<std::pair<std::string, std::string>> merges_of_scores(const PortableTokenizer& t);
// What ranks, a pattern and special tokens are in other formats: into `out`, whose tokens are
// there.
void read_ranked(const RankedVocabulary& ranked, PortableTokenizer& out);
// Writes a rank file. Throws Error where ids are no ranks.
void write_ranks(const PortableTokenizer& tokenizer, const std::string& path);
// A rank file with the rest of `tokenizer`, which such a file does not say.
std::shared_ptr<const Tokenizer> read_ranks_of(const std::string& path,
                                               const PortableTokenizer& tokenizer);

// Formats that can be written.
struct PortableFormat {
  std::string_view name, suffix;
  // Throws Error naming what the format cannot express.
  void (*write)(const PortableTokenizer& tokenizer, const std::string& path);
  // Reads what was written; `tokenizer` says what the format leaves out.
  std::shared_ptr<const Tokenizer> (*read)(const std::string& path,
                                           const PortableTokenizer& tokenizer);
  std::string_view leaves_out = {};  // what the user has to keep elsewhere
  bool composes = false;             // can say that texts are brought to NFC
};
const std::vector<PortableFormat>& portable_formats();
// By the end of the file's name; throws Error that lists what there is.
const PortableFormat& format_of(const std::string& path);

// The first of the texts of which the two give other ids, or other bytes back.
std::optional<std::string> first_difference(const Tokenizer& a, const Tokenizer& b,
                                            const std::vector<std::string>& texts);

struct ConversionOptions {
  int64_t probes = 20000;      // random texts to compare on
  TiktokenOptions ranks = {};  // where the source is a rank file
  // Writes formats that cannot say that texts are brought to NFC, too: the comparison is on texts
  // that are NFC already, and others get other ids by the new file.
  bool without_normaliser = false;
};

// Writes the tokenizer in `path` to `target`. What was written is read back and compared with the
// source before it gets its name; throws Error with the first text that would differ, and leaves
// nothing behind. Gives what the new file does not hold, as the end of a sentence; "" if nothing.
std::string convert_tokenizer(const std::string& path, const Tokenizer& tokenizer,
                              const std::string& target, const ConversionOptions& options = {});

}  // namespace tessera
