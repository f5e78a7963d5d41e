#include "tessera/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "tessera/base/mapped_file.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/bpe.h"
#include "tessera/tokenizer/decoders.h"
#include "tessera/tokenizer/unigram.h"
#include "tessera/tokenizer/word_level.h"
#include "tessera/tokenizer/word_piece.h"

namespace tessera {
namespace {

constexpr std::string_view kMetaspace = "\xE2\x96\x81";

class Reader {
 public:
  explicit Reader(const JsonValue& top) : top_(top), model_(top.require("model")) {}

  std::shared_ptr<const Tokenizer> read() {
    top_.only({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
               "post_processor", "decoder", "model"});
    read_added_tokens();
    read_vocabulary();
    if (auto json = top_.find("normalizer")) parts_.normaliser = read_normaliser(*json);
    if (auto json = top_.find("pre_tokenizer")) {
      parts_.pre_tokenizer = tessera::read_pre_tokenizer(*json);
      if (!parts_.pre_tokenizer->accepts(Reading::utf8)) {
        json->refuse("has a part behind ByteLevel that has to stand in front of it");
      }
      reading_ = parts_.pre_tokenizer->reading_after(Reading::utf8);
    }
    read_decoder();
    set_roles();
    read_model();
    if (auto json = top_.find("post_processor")) {
      parts_.frame = read_post_processor(*json, vocabulary().size());
    }
    parts_.lengths = read_length_rules(top_, vocabulary().size());
    if (!parts_.frame.before.empty()) parts_.bos = parts_.frame.before.front();
    if (!parts_.frame.after.empty()) parts_.eos = parts_.frame.after.back();
    parts_.adds_bos = parts_.bos.has_value();
    return make_tokenizer(std::move(parts_));
  }

 private:
  VocabularyTable& vocabulary() { return *parts_.vocabulary; }
  const std::string& type() const { return type_; }

  // An id sizes tables, so that it may not be far beyond the number of tokens.
  TokenId checked_id(const JsonValue& json, size_t tokens) {
    int64_t id = json.as_integer();
    auto most = static_cast<int64_t>(2 * tokens + 65536);
    if (id < 0 || id >= most) {
      json.refuse("is " + std::to_string(id) + "; ids of " + std::to_string(tokens) +
                  " tokens lie from 0 to " + std::to_string(most - 1));
    }
    return static_cast<TokenId>(id);
  }

  void read_added_tokens() {
    auto json = top_.find("added_tokens");
    if (!json) return;
    size_t count = json->as_array().size();
    size_t index = 0;
    for (simdjson::dom::element element : json->as_array()) {
      JsonValue item = json->item(element, index++);
      item.only({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
      AddedToken token;
      token.content = item.require("content").as_text();
      if (token.content.size() > 1000) {
        item.require("content").refuse("has more than 1,000 bytes");
      }
      token.single_word = item.boolean("single_word", false);
      token.left_strip = item.boolean("lstrip", false);
      token.right_strip = item.boolean("rstrip", false);
      token.special = item.boolean("special", false);
      token.normalised = item.boolean("normalized", !token.special);
      // Beside the vocabulary's own tokens, whose number is added below.
      token.id = checked_id(item.require("id"), count + model_tokens());
      parts_.added.push_back(std::move(token));
    }
  }

  size_t model_tokens() {
    auto vocab = model_.find("vocab");
    if (!vocab) return 0;
    return vocab->is_object()  ? vocab->as_object().size()
           : vocab->is_array() ? vocab->as_array().size()
                               : 0;
  }

  // A token of the model, and its score where the model has them.
  struct Entry {
    std::string_view piece;
    TokenId id;
    double score;
    simdjson::dom::element place;
  };

  void read_entries() {
    type_ = model_.text("type", model_.find("merges") ? "BPE" : "");
    if (type_ != "BPE" && type_ != "WordPiece" && type_ != "WordLevel" && type_ != "Unigram") {
      model_.refuse(
          type_.empty() ? "\"type\" is missing" : "the model " + shown(type_) + " is not supported",
          "Supported are BPE, WordPiece, WordLevel and Unigram.");
    }
    const JsonValue vocab = model_.require("vocab");
    if (type_ == "Unigram") return read_scored_entries(vocab);
    const size_t tokens = vocab.as_object().size() + parts_.added.size();
    entries_.reserve(tokens);
    for (auto [piece, value] : vocab.as_object()) {
      int64_t id = 0;
      if (value.get(id) || id < 0 || id >= static_cast<int64_t>(2 * tokens + 65536)) {
        checked_id(vocab.member(value, piece), tokens);
      }
      entries_.push_back({piece, static_cast<TokenId>(id), 0, value});
    }
  }

  // [["piece", score], ..]: ids are their order.
  void read_scored_entries(const JsonValue& vocab) {
    entries_.reserve(vocab.as_array().size());
    for (simdjson::dom::element element : vocab.as_array()) {
      simdjson::dom::array pair;
      std::string_view piece;
      double score = 0;
      if (element.get(pair) || pair.size() != 2 || pair.at(0).get(piece) || pair.at(1).get(score)) {
        vocab.item(element, entries_.size()).refuse("is not [\"piece\", score]");
      }
      entries_.push_back({piece, static_cast<TokenId>(entries_.size()), score, element});
    }
  }

  JsonValue place_of(const Entry& entry) {
    const JsonValue vocab = model_.require("vocab");
    return vocab.is_array() ? vocab.item(entry.place, static_cast<size_t>(entry.id))
                            : vocab.member(entry.place, entry.piece);
  }

  void read_vocabulary() {
    read_entries();
    int64_t size = 0;
    for (const Entry& e : entries_) size = std::max<int64_t>(size, e.id + 1);
    for (const AddedToken& t : parts_.added) size = std::max<int64_t>(size, t.id + 1);
    parts_.vocabulary = std::make_unique<VocabularyTable>(size);
    for (const Entry& e : entries_) {
      if (vocabulary().set(e.id, e.piece, TokenRole::normal)) continue;
      place_of(e).refuse(vocabulary().find(e.piece)
                             ? "the token is there twice"
                             : "id " + std::to_string(e.id) + " is also that of " +
                                   shown(vocabulary().piece(e.id)));
    }
    for (size_t i = 0; i < parts_.added.size(); ++i) {
      const AddedToken& t = parts_.added[i];
      auto known = vocabulary().find(t.content);
      bool same = known && *known == t.id;
      if (same || vocabulary().set(t.id, t.content, TokenRole::normal)) continue;
      std::string fault =
          known ? shown(t.content) + " has id " + std::to_string(*known) + " in model.vocab"
                : "id " + std::to_string(t.id) + " is also that of " +
                      shown(vocabulary().piece(t.id));
      top_.require("added_tokens").item(top_.element(), i).refuse(fault);
    }
  }

  void read_decoder() {
    auto json = top_.find("decoder");
    if (!json) {
      parts_.decoder = space_joiner();
    } else if (json->text("type", "") == "ByteLevel") {
      byte_level_decoder_ = true;  // bytes() says it all
      tessera::read_decoder(*json);
    } else {
      parts_.decoder = tessera::read_decoder(*json);
    }
  }

  // The unknown token's text, "" when there is none.
  std::string unknown_text() {
    if (type() != "Unigram") return model_.text("unk_token", "");
    auto id = model_.find("unk_id");
    if (!id) return "";
    const int64_t index = id->as_integer();
    if (index < 0 || index >= static_cast<int64_t>(entries_.size())) {
      id->refuse("is " + std::to_string(index) + "; the vocabulary has " +
                 std::to_string(entries_.size()) + " pieces");
    }
    return std::string(entries_[static_cast<size_t>(index)].piece);
  }

  void set_roles() {
    const std::string unknown = unknown_text();
    control_.resize(static_cast<size_t>(vocabulary().size()));
    std::vector<bool> added(control_.size());
    for (const AddedToken& t : parts_.added) {
      added[static_cast<size_t>(t.id)] = true;
      TokenRole role = t.content == unknown ? TokenRole::unknown
                       : t.special          ? TokenRole::control
                                            : TokenRole::added;
      vocabulary().set_role(t.id, role);
      if (role == TokenRole::control) control_[static_cast<size_t>(t.id)] = true;
    }
    if (auto id = vocabulary().find(unknown); id && !unknown.empty()) {
      vocabulary().set_role(*id, TokenRole::unknown);
    }
    const bool named_bytes = model_.boolean("byte_fallback", false);
    const std::string prefix =
        type() == "WordPiece" ? model_.text("continuing_subword_prefix", "##") : "";
    for (TokenId id = 0; id < vocabulary().size(); ++id) {
      set_bytes(id, added[static_cast<size_t>(id)], named_bytes, prefix);
    }
  }

  // What the token adds to a text; docs/tokenizers.md.
  void set_bytes(TokenId id, bool added, bool named_bytes, const std::string& prefix) {
    std::string piece(vocabulary().piece(id));
    if (vocabulary().role(id) == TokenRole::control) {
      vocabulary().set_bytes(id, "", false);
    } else if (added || vocabulary().role(id) == TokenRole::unknown) {
      vocabulary().set_bytes(id, piece, piece.starts_with(' '));
    } else if (reading_ == Reading::byte_level || byte_level_decoder_) {
      std::string bytes = byte_level_bytes(piece);
      vocabulary().set_bytes(id, bytes, bytes.starts_with(' '));
    } else if (int byte = named_bytes ? named_byte(piece) : -1; byte >= 0) {
      vocabulary().set_bytes(id, std::string(1, static_cast<char>(byte)), false);
      vocabulary().set_role(id, TokenRole::byte);
    } else if (type() == "WordPiece") {
      bool goes_on = !prefix.empty() && piece.starts_with(prefix);
      vocabulary().set_bytes(id, goes_on ? piece.substr(prefix.size()) : piece, !goes_on);
    } else {
      bool starts = piece.starts_with(kMetaspace);
      size_t at = 0;
      while ((at = piece.find(kMetaspace, at)) != std::string::npos) {
        piece.replace(at, kMetaspace.size(), " ");
      }
      vocabulary().set_bytes(id, piece, starts);
    }
  }

  void read_model() {
    if (type() == "WordPiece") {
      read_word_piece();
    } else if (type() == "WordLevel") {
      read_word_level();
    } else if (type() == "Unigram") {
      read_unigram();
    } else {
      read_byte_pairs();
    }
  }

  void refuse_byte_level() {
    if (reading_ == Reading::utf8) return;
    top_.require("pre_tokenizer")
        .refuse("ByteLevel in front of a " + type() + " model is not supported");
  }

  void read_word_level() {
    model_.only({"type", "vocab", "unk_token"});
    // The reference finds out only when it needs the token.
    std::optional<TokenId> unknown;
    if (auto json = model_.find("unk_token")) unknown = vocabulary().find(json->as_text());
    parts_.model = word_level_model(model_pieces(), std::move(control_), unknown);
  }

  void read_unigram() {
    model_.only({"type", "vocab", "unk_id", "byte_fallback"});
    refuse_byte_level();
    UnigramOptions options;
    double least = std::numeric_limits<double>::infinity();
    std::vector<UnigramPiece> pieces;
    pieces.reserve(entries_.size());
    for (const Entry& e : entries_) {
      pieces.push_back({e.piece, e.id, e.score});
      least = std::min(least, e.score);
    }
    constexpr double kUnknownPenalty = 10;
    options.unknown_score = least - kUnknownPenalty;
    if (auto id = model_.find("unk_id")) options.unknown = static_cast<TokenId>(id->as_integer());
    if (model_.boolean("byte_fallback", false)) {
      options.byte_tokens.resize(256, -1);
      for (const Entry& e : entries_) {
        // The names are in capital letters: <0xAB>.
        const int byte = named_byte(e.piece);
        if (byte < 0 || e.piece.find_first_of("abcdef") != std::string_view::npos) continue;
        options.byte_tokens[static_cast<size_t>(byte)] = e.id;
      }
    }
    parts_.model = unigram_model(pieces, std::move(control_), std::move(options));
  }

  // From what the pieces of text will be: characters, or bytes behind ByteLevel.
  PieceTable model_pieces() {
    PieceTable pieces;
    pieces.reserve(entries_.size(), 8 * entries_.size());
    for (const Entry& e : entries_) {
      if (reading_ == Reading::utf8) {
        pieces.insert(e.piece, e.id);
      } else if (std::string bytes; in_byte_alphabet(e.piece, bytes)) {
        pieces.insert(bytes, e.id);
      }
    }
    return pieces;
  }

  std::optional<TokenId> unknown_token() {
    auto json = model_.find("unk_token");
    if (!json) return std::nullopt;
    auto id = vocabulary().find(json->as_text());
    if (!id) json->refuse(shown(json->as_text()) + " is no token");
    return id;
  }

  void read_word_piece() {
    model_.only(
        {"type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"});
    WordPieceOptions options;
    options.reading = reading_;
    auto unknown = unknown_token();
    if (!unknown) model_.refuse("\"unk_token\" is missing");
    options.unknown = *unknown;
    int64_t most = model_.integer("max_input_chars_per_word", 100);
    if (most < 0) model_.require("max_input_chars_per_word").refuse("is below 0");
    options.max_input_chars_per_word = static_cast<size_t>(most);
    const std::string prefix = model_.text("continuing_subword_prefix", "##");
    PieceTable first = model_pieces(), next;
    for (const Entry& e : entries_) {
      if (!e.piece.starts_with(prefix)) continue;
      const std::string_view rest = e.piece.substr(prefix.size());
      if (reading_ == Reading::utf8) {
        next.insert(rest, e.id);
      } else if (std::string bytes; in_byte_alphabet(rest, bytes)) {
        next.insert(bytes, e.id);
      }
    }
    parts_.model =
        word_piece_model(std::move(first), std::move(next), std::move(control_), options);
  }

  void read_byte_pairs() {
    model_.only({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                 "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
    BpeOptions options;
    if (auto dropout = model_.find("dropout")) {
      double rate = 0;
      if (dropout->element().get(rate) || !(rate >= 0 && rate <= 1)) {
        dropout->refuse("is no number from 0 to 1");
      }
      options.dropout = rate;
    }
    options.reading = reading_;
    options.unknown = unknown_token();
    options.fuse_unknown = model_.boolean("fuse_unk", false);
    options.byte_fallback = model_.boolean("byte_fallback", false);
    options.ignore_merges = model_.boolean("ignore_merges", false);
    options.continuing_prefix = model_.text("continuing_subword_prefix", "");
    options.end_suffix = model_.text("end_of_word_suffix", "");
    if (reading_ == Reading::byte_level && options.byte_fallback) {
      model_.require("byte_fallback").refuse("contradicts the ByteLevel pre_tokenizer");
    }
    if (reading_ == Reading::byte_level &&
        !(options.continuing_prefix.empty() && options.end_suffix.empty())) {
      model_.refuse("prefixes and suffixes of a byte-level vocabulary are not supported");
    }
    std::vector<BpeMerge> merges = read_merges(options.continuing_prefix.size());
    parts_.model = byte_pair_model(model_pieces(), merges, std::move(control_), std::move(options));
  }

  static bool in_byte_alphabet(std::string_view piece, std::string& bytes) {
    for (size_t i = 0; i < piece.size();) {
      Unit u = unit_at(piece, i);
      int byte = byte_level_byte(u.code);
      if (byte < 0) return false;
      bytes += static_cast<char>(byte);
      i += u.length;
    }
    return true;
  }

  std::vector<BpeMerge> read_merges(size_t prefix) {
    const JsonValue json = model_.require("merges");
    std::vector<MergeNames> names;
    for (simdjson::dom::element element : json.as_array()) {
      MergeNames merge;
      split_merge(json, element, names.size(), merge.left, merge.right);
      if (merge.right.size() < prefix) json.item(element, names.size()).refuse("lacks the prefix");
      names.push_back(merge);
    }
    return merges_by_name(vocabulary(), names, prefix, [&](size_t i, std::string_view piece) {
      json.item(json.element(), i).refuse(shown(piece) + " is no token of model.vocab");
    });
  }

  static void split_merge(const JsonValue& json, simdjson::dom::element element, size_t index,
                          std::string_view& left, std::string_view& right) {
    std::string_view text;
    if (!element.get(text)) {
      size_t space = text.find(' ');
      if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
        json.item(element, index).refuse("is not two tokens with a space between them");
      }
      left = text.substr(0, space);
      right = text.substr(space + 1);
      return;
    }
    simdjson::dom::array pair;
    if (element.get(pair) || pair.size() != 2 || pair.at(0).get(left) || pair.at(1).get(right)) {
      json.item(element, index).refuse("is not a pair of strings");
    }
  }

  JsonValue top_, model_;
  std::string type_;
  std::vector<Entry> entries_;  // of the model; in the order of the file
  PipelineParts parts_;
  Reading reading_ = Reading::utf8;
  bool byte_level_decoder_ = false;
  std::vector<bool> control_;
};

}  // namespace

std::shared_ptr<const Tokenizer> read_tokenizer_json(const JsonValue& top) {
  return Reader(top).read();
}

std::shared_ptr<const Tokenizer> parse_tokenizer_json(std::string_view json,
                                                      const std::string& where) {
  simdjson::dom::parser parser;
  return read_tokenizer_json(JsonValue(parse_json(parser, json, where), where, ""));
}

std::shared_ptr<const Tokenizer> read_tokenizer_json(const std::string& path) {
  MappedFile file(path);
  return parse_tokenizer_json(file.text(), path);
}

}  // namespace tessera
