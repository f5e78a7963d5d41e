#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/files/gguf.h"
#include "tessera/files/shown.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/bpe.h"
#include "tessera/tokenizer/decoders.h"
#include "tessera/tokenizer/gguf_pre_tokenizers.h"
#include "tessera/tokenizer/normalisers.h"
#include "tessera/tokenizer/pipeline.h"
#include "tessera/tokenizer/pre_tokenizers.h"
#include "tessera/tokenizer/sentence_piece.h"
#include "tessera/tokenizer/sentence_piece_normaliser.h"
#include "tessera/tokenizer/word_piece.h"

namespace tessera {
namespace {

constexpr std::string_view kWordMark = "\xE2\x96\x81";
constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
constexpr std::string_view kTypes = "tokenizer.ggml.token_type";
constexpr const char* kRemedy = "Name the model's own tokenizer: --tokenizer tokenizer.json.";

// The numbers of tokenizer.ggml.token_type.
enum GgufTokenType : int64_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

class GgufReader {
 public:
  explicit GgufReader(const GgufFile& file) : file_(file) {}

  std::shared_ptr<const Tokenizer> read() {
    auto model = file_.string("tokenizer.ggml.model");
    if (!model) refuse("tokenizer.ggml.model", "is missing", kRemedy);
    if (*model == "llama") return read_scored_pieces(SentencePieceKind::bpe);
    if (*model == "t5") return read_scored_pieces(SentencePieceKind::unigram);
    read_tokens();
    if (*model == "gpt2") {
      read_byte_pairs(file_.string("tokenizer.ggml.pre"));
    } else if (*model == "gemma4") {
      read_byte_pairs(*model);
    } else if (*model == "bert") {
      read_word_pieces();
    } else {
      refuse("tokenizer.ggml.model",
             shown(*model) + " is not supported; gpt2, gemma4, llama, t5 and bert are", kRemedy);
    }
    parts_.added = std::move(added_);
    return make_tokenizer(std::move(parts_));
  }

 private:
  [[noreturn]] void refuse(std::string_view key, const std::string& what,
                           const std::string& remedy = "") const {
    throw Error(file_.path() + ": " + std::string(key), what, remedy);
  }
  VocabularyTable& vocabulary() { return *parts_.vocabulary; }

  // Throws unless a column has an entry for each token, or none at all.
  void same_length(std::string_view key, size_t entries) const {
    if (entries == tokens_.size()) return;
    refuse(key, "has " + std::to_string(entries) + " entries for " +
                    std::to_string(tokens_.size()) + " tokens");
  }

  void read_columns() {
    tokens_ = file_.strings(kTokens);
    types_ = file_.integers(kTypes);
    if (tokens_.empty()) refuse(kTokens, "is missing or empty", kRemedy);
    if (types_.empty()) types_.assign(tokens_.size(), kNormal);
    same_length(kTypes, types_.size());
  }

  // SentencePiece's vocabularies: scores instead of merges, spaces written U+2581.
  std::shared_ptr<const Tokenizer> read_scored_pieces(SentencePieceKind kind) {
    constexpr std::string_view kScores = "tokenizer.ggml.scores";
    read_columns();
    const std::vector<float> scores = file_.numbers(kScores);
    same_length(kScores, scores.size());
    std::vector<ScoredPiece> pieces;
    pieces.reserve(tokens_.size());
    for (size_t i = 0; i < tokens_.size(); ++i) {
      const bool known = types_[i] >= kNormal && types_[i] <= kByte;
      pieces.push_back(
          {tokens_[i], scores[i], known ? static_cast<PieceType>(types_[i]) : PieceType::normal});
    }
    SentencePieceOptions options;
    const bool unigram = kind == SentencePieceKind::unigram;
    options.kind = kind;
    options.sums = UnigramSums::doubles;
    read_rules(unigram, options.rules);
    options.user_defined_in_raw_text = options.library_parses_control = true;
    options.unknown_text = "";
    options.adds_bos = file_.boolean("tokenizer.ggml.add_bos_token").value_or(!unigram);
    options.adds_eos = file_.boolean("tokenizer.ggml.add_eos_token").value_or(unigram);
    options.bos = special("bos");
    options.eos = special("eos");
    options.unknown = special("unknown");
    if (unigram && !options.eos && tokens_.size() > 1) options.eos = 1;
    if (unigram && !options.unknown && tokens_.size() > 2) options.unknown = 2;
    return make_sentence_piece(pieces, std::move(options), file_.path());
  }

  void read_rules(bool unigram, SentencePieceRules& rules) const {
    auto flag = [&](const char* name, bool standard) {
      return file_.boolean(std::string("tokenizer.ggml.") + name).value_or(standard);
    };
    rules.dummy_prefix = flag("add_space_prefix", !unigram);
    rules.replace_invalid = unigram;
    rules.marks_are_spaces = false;
    rules.remove_extra = unigram && flag("remove_extra_whitespaces", false);
    if (!unigram) return;
    rules.escape = flag("escape_whitespaces", true);
    rules.space_as_suffix = flag("treat_whitespace_as_suffix", false);
    constexpr std::string_view kMap = "tokenizer.ggml.precompiled_charsmap";
    std::string bytes;
    for (const int64_t byte : file_.integers(kMap)) bytes += static_cast<char>(byte);
    if (!bytes.empty()) rules.map.emplace(bytes, file_.path() + ": " + std::string(kMap));
  }

  void read_tokens() {
    read_columns();
    parts_.vocabulary = std::make_unique<VocabularyTable>(static_cast<int64_t>(tokens_.size()));
    control_.resize(tokens_.size());
    for (size_t i = 0; i < tokens_.size(); ++i) {
      auto id = static_cast<TokenId>(i);
      if (!vocabulary().set(id, tokens_[i], role_of(types_[i]))) {
        refuse(std::string(kTokens) + "[" + std::to_string(i) + "]",
               shown(tokens_[i]) + " is there twice");
      }
      control_[i] = types_[i] == kControl;
      if (types_[i] == kControl || types_[i] == kUnknown || types_[i] == kUserDefined) {
        AddedToken added;
        added.id = id;
        added.content = tokens_[i];
        added.special = types_[i] != kUserDefined;
        added_.push_back(std::move(added));
      }
    }
  }

  static TokenRole role_of(int64_t type) {
    switch (type) {
      case kUnknown:
        return TokenRole::unknown;
      case kControl:
        return TokenRole::control;
      case kUserDefined:
        return TokenRole::added;
      case kUnused:
        return TokenRole::unused;
      case kByte:
        return TokenRole::byte;
      default:
        return TokenRole::normal;
    }
  }

  std::optional<TokenId> special(const std::string& name) {
    std::string key = "tokenizer.ggml." + name + "_token_id";
    auto id = file_.integer(key);
    if (!id) return std::nullopt;
    if (*id < 0 || *id >= static_cast<int64_t>(tokens_.size())) {
      refuse(key, "is " + std::to_string(*id) + ", outside the " + std::to_string(tokens_.size()) +
                      " ids of the vocabulary");
    }
    return static_cast<TokenId>(*id);
  }

  // What stands around a text; `bos`, `eos`, `sep`: what holds when the file says nothing.
  void read_frame(bool bos, bool eos, bool sep) {
    parts_.bos = special("bos");
    parts_.eos = special("eos");
    if (!parts_.bos) parts_.bos = special("cls");
    bool wanted = file_.boolean("tokenizer.ggml.add_bos_token").value_or(bos);
    if (wanted && parts_.bos) parts_.frame.before.push_back(*parts_.bos);
    parts_.adds_bos = wanted && parts_.bos;
    if (file_.boolean("tokenizer.ggml.add_eos_token").value_or(eos) && parts_.eos) {
      parts_.frame.after.push_back(*parts_.eos);
    }
    if (file_.boolean("tokenizer.ggml.add_sep_token").value_or(sep)) {
      auto separator = special("seperator");  // the key is spelt so in the format
      if (!separator) separator = special("sep");
      if (separator) parts_.frame.after.push_back(*separator);
    }
  }

  void read_byte_pairs(std::optional<std::string_view> name) {
    constexpr std::string_view kPre = "tokenizer.ggml.pre";
    if (!name) refuse(kPre, "is missing, so how to split text is not known", kRemedy);
    const GgufPreTokenizer* pre = find_gguf_pre_tokenizer(*name);
    if (!pre) {
      refuse(kPre, shown(*name) + " is not a splitting we know", kRemedy);
    }
    std::vector<std::unique_ptr<PreTokenizer>> steps;
    steps.reserve(pre->patterns.size() + 1);
    for (std::string_view pattern : pre->patterns) {
      steps.push_back(splitter(Pattern(pattern), SplitBehaviour::isolated, false));
    }
    if (pre->byte_level) steps.push_back(byte_level(false, false));
    parts_.pre_tokenizer = sequence(std::move(steps));
    if (pre->marks_spaces) {
      SentencePieceRules rules;
      rules.dummy_prefix = rules.remove_extra = rules.replace_invalid = false;
      parts_.normaliser = sentence_piece_normaliser(std::move(rules));
    }

    BpeOptions options;
    PieceTable pieces;
    pieces.reserve(tokens_.size(), 8 * tokens_.size());
    for (size_t i = 0; i < tokens_.size(); ++i) {
      auto id = static_cast<TokenId>(i);
      const bool literal =
          types_[i] == kControl || types_[i] == kUnknown || types_[i] == kUserDefined;
      const std::string piece =
          literal || !pre->byte_level ? std::string(tokens_[i]) : byte_level_bytes(tokens_[i]);
      const std::string bytes = literal || pre->byte_level ? piece : bytes_of(id, *pre);
      pieces.insert(piece, id);
      // Lines of these are words of their own, and what is a token stays whole.
      const bool newlines = !piece.empty() && piece.find_first_not_of('\n') == std::string::npos;
      if (pre->marks_spaces && newlines) options.whole.insert(piece, id);
      vocabulary().set_bytes(id, types_[i] == kControl ? "" : bytes, bytes.starts_with(' '));
    }
    options.reading = pre->byte_level ? Reading::byte_level : Reading::utf8;
    options.byte_fallback = !pre->byte_level;
    options.ignore_merges = pre->ignore_merges;
    parts_.model = byte_pair_model(std::move(pieces), read_merges(), control_, std::move(options));
    read_frame(pre->adds_bos, false, pre->adds_sep);
  }

  // What an ordinary token writes that is no byte-level one.
  std::string bytes_of(TokenId id, const GgufPreTokenizer& pre) const {
    const std::string_view piece = tokens_[static_cast<size_t>(id)];
    const int byte = types_[static_cast<size_t>(id)] == kByte ? named_byte(piece) : -1;
    if (byte >= 0) return std::string(1, static_cast<char>(byte));
    return pre.marks_spaces ? marks_to_spaces(piece) : std::string(piece);
  }

  std::vector<BpeMerge> read_merges() {
    constexpr std::string_view kMerges = "tokenizer.ggml.merges";
    std::vector<std::string_view> lines = file_.strings(kMerges);
    if (lines.empty()) refuse(kMerges, "is missing or empty", kRemedy);
    const auto fail = [&](size_t i, const std::string& what) {
      refuse(std::string(kMerges) + "[" + std::to_string(i) + "]", what);
    };
    std::vector<MergeNames> names(lines.size());
    for (size_t i = 0; i < lines.size(); ++i) {
      const size_t space = lines[i].find(' ', 1);
      if (space == std::string_view::npos) fail(i, "is not two tokens with a space between them");
      names[i] = {lines[i].substr(0, space), lines[i].substr(space + 1)};
    }
    return merges_by_name(vocabulary(), names, 0, [&](size_t i, std::string_view piece) {
      fail(i, shown(piece) + " is no token of the file");
    });
  }

  // The words of these files begin with U+2581, and what continues a word has no mark.
  void read_word_pieces() {
    parts_.normaliser = bert_normaliser({});
    std::vector<std::unique_ptr<PreTokenizer>> steps;
    steps.push_back(class_splitter("bert_space", SplitBehaviour::removed));
    steps.push_back(class_splitter("bert_punctuation", SplitBehaviour::isolated));
    parts_.pre_tokenizer = sequence(std::move(steps));
    PieceTable first, next;
    for (size_t i = 0; i < tokens_.size(); ++i) {
      auto id = static_cast<TokenId>(i);
      std::string_view piece = tokens_[i];
      bool literal = types_[i] == kControl || types_[i] == kUnknown || types_[i] == kUserDefined;
      bool starts = piece.starts_with(kWordMark);
      std::string_view bytes = starts ? piece.substr(kWordMark.size()) : piece;
      if (!literal) (starts ? first : next).insert(bytes, id);
      vocabulary().set_bytes(id, types_[i] == kControl ? std::string_view() : bytes, starts);
    }
    auto unknown = special("unknown");
    if (!unknown) {
      auto named = vocabulary().find("[UNK]");
      if (!named) refuse("tokenizer.ggml.unknown_token_id", "is missing", kRemedy);
      unknown = named;
    }
    WordPieceOptions options{.unknown = *unknown, .max_input_chars_per_word = ~size_t{0}};
    parts_.model = word_piece_model(std::move(first), std::move(next), control_, options);
    std::vector<std::unique_ptr<Decoder>> chain;
    chain.push_back(metaspace_decoder(std::string(kWordMark), PrependScheme::always));
    parts_.decoder = sequence(std::move(chain));
    read_frame(true, false, true);
  }

  const GgufFile& file_;
  std::vector<std::string_view> tokens_;
  std::vector<int64_t> types_;
  std::vector<AddedToken> added_;
  std::vector<bool> control_;
  PipelineParts parts_;
};

}  // namespace

std::shared_ptr<const Tokenizer> read_gguf_tokenizer(const GgufFile& file) {
  return GgufReader(file).read();
}

}  // namespace tessera
