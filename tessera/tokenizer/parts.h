// The replaceable parts of a tokenizer. Which ones a tokenizer has is decided by what its file
// says, never by a model's name. All are immutable; const calls may run together.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/text/aligned_text.h"
#include "tessera/tokenizer/pattern.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// Changes a stretch of text before it is split.
class Normaliser {
 public:
  virtual ~Normaliser() = default;
  virtual AlignedText apply(AlignedText text) const = 0;
};

// A text on its way to the model: what is not in a piece is dropped.
struct PreTokens {
  AlignedText text;
  std::vector<ByteRange> pieces;  // in order, none empty
  Reading reading = Reading::utf8;
};

// Cuts pieces into smaller ones; some also change the text.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void split(PreTokens& tokens) const = 0;
  // Whether it can work on text whose bytes are read so.
  virtual bool accepts(Reading) const { return true; }
  // How the bytes are read once this part has run.
  virtual Reading reading_after(Reading before) const { return before; }
};

struct ModelToken {
  TokenId id;
  uint32_t begin, end;  // bytes of the piece
};

// Turns one piece into tokens.
class Model {
 public:
  virtual ~Model() = default;
  // Appends the tokens of `piece`. Unless `allow_control`, tokens of role control are treated as
  // if the vocabulary had none.
  virtual void encode(std::string_view piece, bool allow_control,
                      std::vector<ModelToken>& out) const = 0;
  // "byte-level BPE".
  virtual std::string name() const = 0;
};

// A place for one of two texts, or tokens that stand there.
struct PairPart {
  int8_t text = -1;  // 0: the first text, 1: the second, -1: `ids`
  std::vector<TokenId> ids = {};
  int32_t type = 0;
};

// What the file puts around a text, and around two.
struct TextTemplate {
  std::vector<TokenId> before, after;
  std::vector<PairPart> pair = {};  // empty: the one text's template around both
};

enum class Truncation : uint8_t { longest_first, only_first, only_second };

// How long the file wants one text's encoding to be; EncodeOptions::file_lengths asks for it.
struct LengthRules {
  std::optional<int64_t> longest;                   // tokens, template included
  bool cut_front = false;                           // whether the first tokens go, not the last
  Truncation strategy = Truncation::longest_first;  // which of two texts is cut
  struct Padding {
    TokenId id = 0;
    int64_t least = 0;     // tokens, template included
    int64_t multiple = 1;  // the length becomes a multiple of it
    bool front = false;
    int32_t type = 0;
  };
  std::optional<Padding> padding;
};

// Turns the pieces of tokens into text, as the file's decoder says.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void apply(std::vector<std::string>& pieces) const = 0;
  // Whether what a token adds depends on the tokens before it at most until the first text.
  virtual bool local() const { return true; }
};

}  // namespace tessera
