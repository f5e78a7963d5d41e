// The replaceable parts of a tokenizer. Which ones a tokenizer has is decided by what its file
// says, never by a model's name. All are immutable; const calls may run together.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/base/random.h"
#include "tessera/text/aligned_text.h"
#include "tessera/tokenizer/borders.h"
#include "tessera/tokenizer/id_buffer.h"
#include "tessera/tokenizer/pattern.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/word_scanner.h"

namespace tessera {

// A normaliser that writes U+2581 for every space and does nothing else.
struct SpaceMarks {
  bool prefix = false;     // and puts one in front
  bool utf8_only = false;  // which holds for UTF-8 alone
};

// Changes a stretch of text before it is split.
class Normaliser {
 public:
  virtual ~Normaliser() = default;
  virtual AlignedText apply(AlignedText text) const = 0;
  // What it is, when that is all.
  virtual std::optional<SpaceMarks> space_marks() const { return std::nullopt; }
  // Whether every space of its results is written U+2581, so that write_spaced() works.
  virtual bool marks_spaces() const { return false; }
  // Appends the text of apply(), with a space for some or all of its U+2581.
  virtual void write_spaced(std::string_view text, std::string& out) const {
    out += apply(AlignedText(text)).text();
  }
  // The text that it puts in front, when that is all.
  virtual std::string_view prefix() const { return {}; }
  // Whether a text's result is that of its parts when it is cut beside a space, tab or newline, or
  // beside a punctuation mark of ASCII.
  virtual bool keeps_words_apart() const { return false; }
  // Whether what becomes of a text up to `left` and of its rest from `right` on, these characters
  // being neighbours, never depends on the other part; what it puts in front of a text aside.
  virtual bool parts_between(char32_t /*left*/, char32_t /*right*/) const { return false; }
  // Whether it gives Unicode's form C and does nothing else.
  virtual bool composes() const { return false; }
};

// A text on its way to the model: what is not in a piece is dropped.
struct PreTokens {
  AlignedText text;
  std::vector<ByteRange> pieces;  // in order, none empty
  Reading reading = Reading::utf8;
};

// A pre-tokenizer that cuts text into words by a rule that is known and then reads it by bytes.
struct WordSplit {
  WordRule rule;
  const Pattern* pattern;  // that the rule stands for; null where the rule leaves nothing to it
  bool by_bytes;
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
  // What it is, when that is all.
  virtual std::optional<WordSplit> words() const { return std::nullopt; }
  // Whether it does nothing but drop white space, spaces, tabs and newlines among it; nothing but
  // cut out punctuation marks, those of ASCII among them; the one and then the other.
  virtual bool drops_space() const { return false; }
  virtual bool parts_marks() const { return false; }
  virtual bool parts_words() const { return false; }
  // Whether it cuts out every number, each alone, and does nothing else.
  virtual bool single_numbers() const { return false; }
  // Whether it only says that bytes are characters from here on.
  virtual bool only_reads_bytes() const { return false; }
  // Whether these neighbours, characters of UTF-8, are cut apart in every text, neither side's
  // pieces depending on the other side.
  virtual bool cuts_between(char32_t /*left*/, char32_t /*right*/) const { return false; }
  // Whether every cut depends on the two characters around it alone.
  virtual bool cuts_by_neighbours() const { return false; }
};

struct ModelToken {
  TokenId id;
  uint32_t begin, end;  // bytes of the piece
};

// A way to cut a piece, with the sum of its tokens' scores.
struct ScoredWay {
  double score = 0;
  std::vector<ModelToken> tokens;
};

// Turns one piece into tokens.
class Model {
 public:
  virtual ~Model() = default;
  // Appends the tokens of `piece`. Unless `allow_control`, tokens of role control are treated as
  // if the vocabulary had none.
  virtual void encode(std::string_view piece, bool allow_control,
                      std::vector<ModelToken>& out) const = 0;
  // The same for a part of a piece that begins and ends at borders or at the piece's ends: what
  // holds for whole pieces only is left out.
  virtual void encode_part(std::string_view part, bool allow_control,
                           std::vector<ModelToken>& out) const {
    encode(part, allow_control, out);
  }
  // Appends the ids that encode_part() gives.
  virtual void append_ids(std::string_view part, bool allow_control,
                          std::vector<ModelToken>& scratch, IdBuffer& out) const {
    scratch.clear();
    encode_part(part, allow_control, scratch);
    for (const ModelToken& t : scratch) out.push(t.id);
  }
  // Encodes texts, one after another, remembering what it can. A space stands for U+2581 in them.
  class Runner {
   public:
    virtual ~Runner() = default;
    // Appends the ids that encode() gives for the whole text as one piece. 32 bytes behind the
    // text must be readable.
    virtual void run(std::string_view text, bool allow_control, IdBuffer& out) = 0;
  };
  // Null where the model has none that is faster than append_ids(). Must not outlive the model.
  virtual std::unique_ptr<Runner> runner() const { return nullptr; }
  // Appends the token of a piece that is one whatever its parts would give; false: there is none.
  virtual bool whole(std::string_view, bool, std::vector<ModelToken>&) const { return false; }
  // Appends the tokens of one way to cut `piece`, drawn at random. Throws Error where there is but
  // one way.
  virtual void draw(std::string_view piece, bool allow_control, const Sampling& sampling,
                    Random& random, std::vector<ModelToken>& out) const;
  // The `count` ways that score most, best first. Throws Error where tokens have no scores.
  virtual std::vector<ScoredWay> best_ways(std::string_view piece, bool allow_control,
                                           size_t count) const;
  // Where pieces can be cut and their parts be encoded apart, giving the same tokens; null:
  // nowhere. Made on the first call.
  virtual const Borders* borders() const { return nullptr; }
  // Whether a piece's tokens are those of its parts between borders.
  virtual bool cuts_at_borders() const { return false; }
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
  // Whether apply() is apply_piece() for every piece alone, then apply_joined() on their
  // concatenation, which is the text.
  virtual bool piecewise() const { return false; }
  virtual void apply_piece(std::string& /*piece*/) const {}
  virtual void apply_joined(std::string& /*text*/) const {}
};

}  // namespace tessera
