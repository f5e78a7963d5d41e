#include "tessera/tokenizer/train/extend.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/base/progress.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/json_value.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/train/added_scores.h"
#include "tessera/tokenizer/train/ordered_json.h"
#include "tessera/tokenizer/train/pair_merger.h"
#include "tessera/tokenizer/train/word_counts.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

enum class Kind : uint8_t { byte_pairs, word_piece, unigram };

constexpr std::string_view kWordMark = "\xE2\x96\x81";  // how a Unigram vocabulary writes a space

// A tokenizer.json that is both read as it stands and understood.
class BaseFile {
 public:
  explicit BaseFile(const std::string& path) : path_(path) {
    const MappedFile file(path);
    tokenizer_ = parse_tokenizer_json(file.text(), path);
    simdjson::dom::parser parser;
    json_ = ordered_json_of(parse_json(parser, file.text(), path));
    reading_ = TextCutter(parts()).reading();
    const Json& model = json_["model"];
    const std::string type = model.value("type", "BPE");
    if (type == "BPE" && model.contains("merges")) {
      refuse_marks(model);
    } else if (type == "WordPiece") {
      kind_ = Kind::word_piece;
    } else if (type == "Unigram") {
      kind_ = Kind::unigram;
    } else {
      refuse("the model is " + type + ", to which nothing can be added",
             "Extend one of BPE, WordPiece or Unigram; `tessera tokenizer convert` makes one of "
             "GGUF and .model.");
    }
  }

  const std::string& path() const { return path_; }
  Kind kind() const { return kind_; }
  Reading reading() const { return reading_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const Vocabulary& vocabulary() const { return tokenizer_->vocabulary(); }
  Json& model() { return json_["model"]; }
  // What marks a token that goes on with a word.
  std::string prefix() const {
    const Json& model = json_["model"];
    return kind_ == Kind::word_piece ? model.value("continuing_subword_prefix", "##") : "";
  }
  CuttingParts parts() const {
    const auto part = [&](const char* name) {
      return json_.contains(name) ? json_[name].dump() : std::string("null");
    };
    return {part("normalizer"), part("pre_tokenizer"), part("decoder")};
  }
  // Both parts of every merge.
  std::vector<std::pair<std::string, std::string>> merges() const {
    std::vector<std::pair<std::string, std::string>> out;
    for (const Json& merge : json_["model"]["merges"]) {
      if (merge.is_array()) {
        out.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      } else {
        const auto text = merge.get<std::string>();
        const size_t space = text.find(' ');
        out.emplace_back(text.substr(0, space), text.substr(space + 1));
      }
    }
    return out;
  }
  // Of a Unigram model, by id.
  float score(TokenId id) const {
    return json_["model"]["vocab"][static_cast<size_t>(id)][1].get<float>();
  }
  void add_token(const std::string& piece, int64_t id) {
    model()["vocab"].get_ref<Json::object_t&>().emplace_back(piece, id);
  }
  // Ids of a Unigram model are places in a list: those of added tokens behind it are filled first.
  void add_scored(const std::string& piece, double score) {
    Json& list = model()["vocab"];
    while (static_cast<int64_t>(list.size()) < vocabulary().size()) {
      constexpr double kNever = -1e6;
      const auto id = static_cast<TokenId>(list.size());
      if (vocabulary().piece(id).empty()) refuse(fmt::format("nothing has the id {}", id));
      list.push_back({vocabulary().piece(id), kNever});
    }
    list.push_back({piece, score});
  }
  void add_merge(const std::string& left, const std::string& right) {
    Json& merges = model()["merges"];
    // As the file writes them; pieces with spaces can only be written as pairs.
    if (merges.empty() || merges[0].is_array()) {
      merges.push_back({left, right});
    } else {
      merges.push_back(left + " " + right);
    }
  }
  // The tokenizer with what was added so far.
  std::shared_ptr<const Tokenizer> now() const {
    return parse_tokenizer_json(json_.dump(), "the extended vocabulary");
  }
  // The file's text with what was added, read back; which new tokens no text gives.
  ExtendedTokenizer finish() const {
    ExtendedTokenizer out;
    out.file = json_.dump(2) + "\n";
    const auto now = parse_tokenizer_json(out.file, "the extended vocabulary");
    out.before = vocabulary().size();
    out.after = now->vocabulary().size();
    for (TokenId id = 0; id < out.after; ++id) {
      const std::string_view bytes = now->vocabulary().bytes(id);
      if (id >= out.before) {
        if (!comes_out(*now, id)) out.unreachable.emplace_back(now->vocabulary().piece(id));
      } else if (now->vocabulary().piece(id) != vocabulary().piece(id) ||
                 bytes != vocabulary().bytes(id)) {
        refuse(fmt::format("id {} would stand for other bytes", id));
      }
    }
    return out;
  }
  [[noreturn]] void refuse(const std::string& what, const std::string& remedy = "") const {
    throw Error(path_, what, remedy);
  }

 private:
  void refuse_marks(const Json& model) const {
    for (const char* mark : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (model.contains(mark) && model[mark].is_string() &&
          !model[mark].get<std::string>().empty()) {
        refuse(std::string(mark) + " is set, and marked symbols are not supported here");
      }
    }
  }

  // Whether its own bytes give it; of a token that goes on with a word, behind some character.
  bool comes_out(const Tokenizer& now, TokenId id) const {
    const Vocabulary& all = now.vocabulary();
    const std::string mark = prefix();
    if (mark.empty() || !all.piece(id).starts_with(mark)) {
      const std::string_view written =
          reading_ == Reading::byte_level ? all.bytes(id) : all.piece(id);
      return now.encode_piece(written) == std::vector<TokenId>{id};
    }
    constexpr int kMost = 1000;
    int tried = 0;
    for (TokenId first = 0; first < all.size() && tried < kMost; ++first) {
      const std::string_view front = all.piece(first);
      if (all.role(first) != TokenRole::normal || front.starts_with(mark) ||
          unit_at(front, 0).length != front.size()) {
        continue;
      }
      ++tried;
      const std::string word = std::string(front) + std::string(all.piece(id).substr(mark.size()));
      if (now.encode_piece(word) == std::vector<TokenId>{first, id}) return true;
    }
    return false;
  }

  std::string path_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  Json json_;
  Kind kind_ = Kind::byte_pairs;
  Reading reading_ = Reading::utf8;  // of the bytes of a word
};

// Tokens that no merge may give have a text that none can have.
std::vector<std::string> mergeable(const Vocabulary& vocabulary) {
  std::vector<std::string> out;
  out.reserve(static_cast<size_t>(vocabulary.size()));
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    const bool normal = vocabulary.role(id) == TokenRole::normal;
    out.push_back(normal ? std::string(vocabulary.piece(id)) : fmt::format("\xFF{}", id));
  }
  return out;
}

void check_size(const BaseFile& base, int64_t size) {
  if (size <= base.vocabulary().size()) {
    throw Error(
        fmt::format("--vocab-size {}", size),
        fmt::format("leaves no room: the vocabulary has {} tokens", base.vocabulary().size()),
        "Ask for more.");
  }
}

// The words' characters that are no token, as they stand at a word's beginning or behind it, the
// most frequent first, without the rarest.
std::vector<std::string> missing_symbols(const BaseFile& base, const WordCounts& counts) {
  constexpr double kCoverage = 0.9995;  // of the texts' characters by those that become tokens
  std::unordered_map<std::string, int64_t> found;
  const std::string prefix = base.prefix();
  int64_t all = 0;
  for (const CountedWord& word : counts.words) {
    for (size_t i = 0; i < word.word.size();) {
      const Unit u = unit_at(word.word, i);
      if (u.code < kInvalidByte) {
        std::string text = i == 0 ? "" : prefix;
        append_unit(text, u.code);
        found[std::move(text)] += word.count;
        all += word.count;
      }
      i += u.length;
    }
  }
  std::vector<std::pair<int64_t, std::string>> sorted;
  sorted.reserve(found.size());
  for (auto& [text, count] : found) sorted.emplace_back(-count, text);
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::string> out;
  double covered = 0;
  for (auto& [count, text] : sorted) {
    if (covered >= kCoverage * static_cast<double>(all)) break;
    covered -= static_cast<double>(count);
    if (!base.vocabulary().find(text)) out.push_back(std::move(text));
  }
  return out;
}

// Adds them, and gives the tokenizer that knows them.
std::shared_ptr<const Tokenizer> add_characters(BaseFile& file, const WordCounts& counts,
                                                int64_t vocab_size) {
  const std::vector<std::string> missing = missing_symbols(file, counts);
  int64_t size = file.vocabulary().size();
  const auto least = size + static_cast<int64_t>(missing.size());
  if (least > vocab_size) {
    throw Error(
        fmt::format("--vocab-size {}", vocab_size),
        fmt::format("cannot hold the texts' characters, of which {} are new", missing.size()),
        fmt::format("{} is the least that works.", least));
  }
  for (const std::string& piece : missing) file.add_token(piece, size++);
  return file.now();
}

void take_merges(BaseFile& file, const BaseFile& other, int64_t vocab_size) {
  if (file.reading() != other.reading()) {
    other.refuse("only one of both vocabularies writes bytes in the byte-level alphabet",
                 "Take two of a kind.");
  }
  std::unordered_map<std::string, int64_t> ids;
  const Vocabulary& vocabulary = file.vocabulary();
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.role(id) == TokenRole::normal) ids.emplace(vocabulary.piece(id), id);
  }
  int64_t size = vocabulary.size();
  for (const auto& [left, right] : other.merges()) {
    if (size >= vocab_size) break;
    std::string text = left + right;
    if (!ids.contains(left) || !ids.contains(right) || ids.contains(text)) continue;
    if (vocabulary.find(text)) continue;  // a control token's name
    file.add_token(text, size);
    file.add_merge(left, right);
    ids.emplace(std::move(text), size++);
  }
}

// Whether a piece can stand in a word of the base: `text`, as a person writes it, is looked for
// behind a letter, which no mark of a beginning is put between.
class KeptPieces {
 public:
  explicit KeptPieces(const BaseFile& base) : kind_(base.kind()), cutter_(base.parts()) {}
  bool operator()(const std::string& piece, bool begins_word) {
    std::string text = begins_word && kind_ == Kind::word_piece ? "" : "a";
    for (size_t i = 0; i < piece.size();) {
      const bool mark =
          kind_ == Kind::unigram && std::string_view(piece).substr(i).starts_with(kWordMark);
      text += mark ? ' ' : piece[i];
      i += mark ? kWordMark.size() : 1;
    }
    std::string last;
    cutter_.cut(TextBlock(text, {text.size()}),
                [&](const char* word, size_t size) { last.assign(word, size); });
    return last.ends_with(piece);
  }

 private:
  Kind kind_;
  TextCutter cutter_;
};

// Gives how many of the other's tokens the base's own parts would not let through.
int64_t take_tokens(BaseFile& file, const BaseFile& other, int64_t vocab_size, AddedScores scores,
                    double share) {
  const bool unigram = file.kind() == Kind::unigram;
  const std::string prefix = file.prefix(), their_prefix = other.prefix();
  KeptPieces kept(file);
  std::vector<std::pair<std::string, float>> pieces;
  std::vector<float> old_scores, new_scores;
  const Vocabulary& vocabulary = file.vocabulary();
  int64_t left_out = 0;
  for (TokenId id = 0; id < other.vocabulary().size(); ++id) {
    if (vocabulary.size() + static_cast<int64_t>(pieces.size()) >= vocab_size) break;
    if (other.vocabulary().role(id) != TokenRole::normal) continue;
    std::string piece(other.vocabulary().piece(id));
    const bool goes_on = !their_prefix.empty() && piece.starts_with(their_prefix);
    if (goes_on) piece.erase(0, their_prefix.size());
    const std::string written = (goes_on ? prefix : "") + piece;
    if (piece.empty() || vocabulary.find(written)) continue;
    if (!kept(piece, !goes_on)) {
      ++left_out;
      continue;
    }
    pieces.emplace_back(written, unigram ? other.score(id) : 0);
    new_scores.push_back(pieces.back().second);
  }
  double by = 0;
  if (unigram && scores == AddedScores::behind && !pieces.empty()) {
    for (TokenId id = 0; id < vocabulary.size(); ++id) {
      if (vocabulary.role(id) == TokenRole::normal) old_scores.push_back(file.score(id));
    }
    if (old_scores.empty()) file.refuse("holds no piece that has a probability");
    by = raise_to_share(old_scores, new_scores, share);
  }
  int64_t size = vocabulary.size();
  for (const auto& [piece, score] : pieces) {
    if (unigram) {
      file.add_scored(piece, score + by);
    } else {
      file.add_token(piece, size++);
    }
  }
  return left_out;
}

}  // namespace

ExtendedTokenizer extend_by_texts(const std::string& base, TrainingTexts& texts,
                                  const TrainingRequest& request) {
  BaseFile file(base);
  if (file.kind() == Kind::unigram) {
    file.refuse("the model is Unigram, which has no merges to go on with",
                "Train another tokenizer.json on the texts and add its pieces: --mode append.");
  }
  check_size(file, request.vocab_size);
  const WordCounts counts = count_words(texts, file.parts(), request);
  expect_text(!counts.words.empty());
  const bool word_piece = file.kind() == Kind::word_piece;
  std::shared_ptr<const Tokenizer> with_characters;
  if (word_piece) with_characters = add_characters(file, counts, request.vocab_size);
  const Tokenizer& tokenizer = word_piece ? *with_characters : file.tokenizer();
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  PairMerger merger(mergeable(vocabulary),
                    {.vocab_size = request.vocab_size, .continuing_prefix = file.prefix()});
  std::vector<uint32_t> symbols;
  for (const CountedWord& word : counts.words) {
    symbols.clear();
    bool whole = true;
    for (TokenId id : tokenizer.encode_piece(word.word)) {
      symbols.push_back(static_cast<uint32_t>(id));
      whole = whole && vocabulary.role(id) == TokenRole::normal;
    }
    // What is unknown or a byte's name is no part of a longer token.
    if (whole) merger.add_word(symbols, word.count);
  }
  ProgressOptions shown;
  shown.label = "merging pairs";
  shown.unit = "tokens";
  shown.total = request.vocab_size - vocabulary.size();
  shown.sink = request.progress;
  Progress progress(shown);
  const std::vector<LearnedMerge> merges = merger.run([&] { progress.advance(); });
  progress.finish();
  const auto& all = merger.tokens();
  for (auto id = static_cast<size_t>(vocabulary.size()); id < all.size(); ++id) {
    file.add_token(all[id], static_cast<int64_t>(id));
  }
  if (!word_piece) {
    for (const LearnedMerge& m : merges) file.add_merge(all[m.left], all[m.right]);
  }
  ExtendedTokenizer out = file.finish();
  out.notes = notes_of(counts, texts);
  if (out.after < request.vocab_size) {
    out.notes.push_back(fmt::format("the texts ran out of pairs: {} tokens instead of {}.",
                                    out.after, request.vocab_size));
  }
  return out;
}

ExtendedTokenizer extend_by_vocabulary(const std::string& base, const std::string& added,
                                       int64_t vocab_size, AddedScores scores, double share) {
  BaseFile file(base);
  const BaseFile other(added);
  check_size(file, vocab_size);
  if (file.kind() != other.kind()) {
    other.refuse("its model is of another kind than that of " + base, "Take two of a kind.");
  }
  int64_t left_out = 0;
  if (file.kind() == Kind::byte_pairs) {
    take_merges(file, other, vocab_size);
  } else {
    left_out = take_tokens(file, other, vocab_size, scores, share);
  }
  ExtendedTokenizer out = file.finish();
  if (left_out > 0) {
    out.notes.push_back(fmt::format(
        "{} tokens of {} were left out, which {} would change or cut before they come up.",
        left_out, added, base));
  }
  if (out.after < vocab_size) {
    out.notes.push_back(fmt::format("{} has no more to add: {} tokens instead of {}.", added,
                                    out.after, vocab_size));
  }
  return out;
}

}  // namespace tessera
