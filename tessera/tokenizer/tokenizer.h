// Seam 1: bytes to tokens with byte spans, and back, exactly. The vocabulary is data: ids mapped to
// byte strings, immutable, several of them in one process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

class GgufFile;
class IdBuffer;

using TokenId = int32_t;

enum class TokenRole : uint8_t {
  normal,
  byte,     // stands for one raw byte ("<0x0A>"), not for the characters of its name
  control,  // never stands for text of a person: <|im_start|>, [CLS], </s>
  added,    // added by the user or the model's maker, matched before the splitter
  unknown,
  unused,
};

enum class TokenOrigin : uint8_t { content, template_text, generated };

// Half-open range of bytes of the input; empty for tokens that a template put in.
struct ByteSpan {
  int64_t begin = 0, end = 0;
  bool operator==(const ByteSpan&) const = default;
};

// An immutable map from ids to byte strings. const calls may run together.
class Vocabulary {
 public:
  virtual ~Vocabulary() = default;
  virtual int64_t size() const = 0;
  // The bytes that token `id` adds to a text, without the tricks of its decoder (a byte-level
  // token gives raw bytes, "##ing" gives "ing"). Needs 0 <= id < size(). Lives as long as this.
  virtual std::string_view bytes(TokenId id) const = 0;
  // The token as its file writes it ("Ġthe", "##ing", "<0x0A>"). Same lifetime.
  virtual std::string_view piece(TokenId id) const = 0;
  virtual TokenRole role(TokenId id) const = 0;
  virtual bool starts_word(TokenId id) const = 0;
  // By the piece as its file writes it.
  virtual std::optional<TokenId> find(std::string_view piece) const = 0;
};

// A random choice among the ways to cut a text, by which a model is trained on more than one.
// Sources: Kudo 2018, arXiv 1804.10959 (Unigram); Provilkov et al. 2020, arXiv 1910.13267 (byte
// pairs, "BPE-dropout").
struct Sampling {
  // The same numbers and text give the same tokens; give each text a stream of its own.
  uint64_t seed = 0, stream = 0;
  // Byte pairs: how likely a merge is passed over each time it comes up; 0 gives the usual tokens,
  // 1 single characters. Unigram: the power of a way's probability; 0 makes all ways equally
  // likely, a large one leaves the best. Unset: what the file says, else 0.1.
  std::optional<double> rate = {};
  int64_t best = 0;  // Unigram: draw among so many best ways; 0: among all
};

struct EncodeOptions {
  bool add_template = true;      // BOS, [CLS] .. [SEP]: what the file's post-processor adds
  bool special_in_text = false;  // control tokens written in the text become control ids
  // The text's tokens are cut to what the file's `truncation` says, then its `padding` is added.
  bool file_lengths = false;
  // The text's last tokens are cut so that at most so many remain, template included; 0: never.
  int64_t longest = 0;
  TokenOrigin origin = TokenOrigin::content;
  // Ascending ranges of the text that a person wrote, within a text that a template wrote: there
  // control tokens stay text whatever special_in_text says, and origins are content.
  std::span<const ByteSpan> content = {};
  std::optional<Sampling> sampling = {};  // none: the tokens that the vocabulary's library gives
};

// Tokens of a text, as arrays of equal length.
struct Encoding {
  std::vector<TokenId> ids;
  std::vector<ByteSpan> spans;      // into the ORIGINAL bytes of the input
  std::vector<int32_t> pre_tokens;  // index of the pre-token a token came from; -1: template
  std::vector<TokenOrigin> origins;
};

// Tokens of two texts that belong together, such as a question and a passage. Its spans are bytes
// of the text that a token is from.
struct PairEncoding : Encoding {
  std::vector<int8_t> texts;      // 0: the first text, 1: the second, -1: template
  std::vector<int32_t> type_ids;  // as the file's template says
};

// One of several ways to cut a text, with the sum of its tokens' scores.
struct ScoredEncoding : Encoding {
  double score = 0;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual const Vocabulary& vocabulary() const = 0;
  // Any bytes, valid UTF-8 or not. Appends nothing but what the options ask for.
  virtual Encoding encode(std::string_view text, const EncodeOptions& options = {}) const = 0;
  // Both texts with what the file puts around and between two. Without a template in the file the
  // second follows the first, as type 1.
  virtual PairEncoding encode_pair(std::string_view first, std::string_view second,
                                   const EncodeOptions& options = {}) const;
  // Appends the ids that encode() gives, without spans and at full speed.
  virtual void encode_ids(std::string_view text, const EncodeOptions& options, IdBuffer& out) const;
  // Their number.
  int64_t count(std::string_view text, const EncodeOptions& options = {}) const;
  // The `count` ways to cut the text that score most, best first; fewer where there are fewer.
  // Throws Error where the model gives no scores, and where the result would take gigabytes.
  // options.sampling is ignored.
  virtual std::vector<ScoredEncoding> encode_best(std::string_view text, int64_t count,
                                                  const EncodeOptions& options = {}) const;
  // Whether a text that ends with the character in front of byte `at` and one that begins with the
  // character behind it are always encoded apart: for all texts A and B that stand so side by side,
  // A ending with the character x, the ids of AB are those of A and then those of xB without those
  // of x (add_template, file_lengths and longest being off). Never inside a character.
  virtual bool seam(std::string_view /*text*/, size_t /*at*/) const { return false; }
  // Whether seam() finds any in plain English; where it does not, a change anywhere in a text may
  // change all of its tokens as far as we know.
  virtual bool has_seams() const { return false; }
  // Bytes of one pre-token to ids, without normaliser, splitter and added tokens.
  virtual std::vector<TokenId> encode_piece(std::string_view piece) const = 0;
  // The text's bytes, as the file's decoder joins them. Ids outside the vocabulary: Error.
  // skip_control: control tokens add nothing; otherwise their piece's text.
  virtual std::string decode(std::span<const TokenId> ids, bool skip_control = true) const = 0;
  // Whether what a token adds to a text is settled once some text stands before it; false for
  // decoders that look ahead.
  virtual bool decodes_locally() const { return true; }
  // Ids that begin and end a text when the file names them.
  virtual std::optional<TokenId> bos() const = 0;
  virtual std::optional<TokenId> eos() const = 0;
  // Whether the file asks for BOS in front of every text.
  virtual bool adds_bos() const = 0;
  // Whether the format's own library finds control tokens in a plain text unless told otherwise.
  virtual bool library_parses_control() const { return true; }
  // Whether that library refuses a plain text in which it finds one.
  virtual bool library_refuses_control() const { return false; }
  // Where a text first names a control token, of those that are looked for in front of the
  // normaliser.
  virtual std::optional<ByteSpan> find_control(std::string_view) const { return std::nullopt; }
  // "byte-level BPE, 49,152 tokens": for people.
  virtual std::string summary() const = 0;
};

// Reads a tokenizer.json. Throws Error naming the file and the JSON path of what it cannot serve.
std::shared_ptr<const Tokenizer> read_tokenizer_json(const std::string& path);
std::shared_ptr<const Tokenizer> parse_tokenizer_json(std::string_view json,
                                                      const std::string& where);
// Reads the vocabulary of a GGUF file. An unknown or missing pre-tokenizer name stops with the
// remedy and never guesses.
std::shared_ptr<const Tokenizer> read_gguf_tokenizer(const GgufFile& file);

// Decodes a growing sequence of ids; every piece it gives is whole UTF-8 characters as long as the
// model writes UTF-8, and the concatenation of all pieces equals decode() of all ids.
class StreamDecoder {
 public:
  explicit StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_control = true);
  // The text that became certain with this token; an incomplete character is held back.
  std::string push(TokenId id);
  // What was held back; call at the end.
  std::string finish();

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool skip_control_;
  std::vector<TokenId> ids_;  // the window that is decoded again
  size_t given_ = 0;          // bytes of the decoded ids_ already given out
};

}  // namespace tessera
