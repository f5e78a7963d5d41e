#include "tessera/tokenizer/train/extend.h"

#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/base/progress.h"
#include "tessera/tokenizer/json_value.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/train/ordered_json.h"
#include "tessera/tokenizer/train/pair_merger.h"
#include "tessera/tokenizer/train/word_counts.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

// A tokenizer.json that is both read as it stands and understood.
class BaseFile {
 public:
  explicit BaseFile(const std::string& path) : path_(path) {
    const MappedFile file(path);
    tokenizer_ = parse_tokenizer_json(file.text(), path);
    simdjson::dom::parser parser;
    json_ = ordered_json_of(parse_json(parser, file.text(), path));
    const Json& model = json_["model"];
    const std::string type = model.value("type", "BPE");
    if (type != "BPE" || !model.contains("merges")) {
      refuse("the model is " + type + ", which has no merges to add to",
             "Extend a BPE vocabulary; `tessera tokenizer convert` makes one of GGUF and .model.");
    }
    for (const char* mark : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (model.contains(mark) && model[mark].is_string() &&
          !model[mark].get<std::string>().empty()) {
        refuse(std::string(mark) + " is set, and marked symbols are not supported here");
      }
    }
  }

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const Vocabulary& vocabulary() const { return tokenizer_->vocabulary(); }
  Json& model() { return json_["model"]; }
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
  void add_token(const std::string& piece, int64_t id) {
    model()["vocab"].get_ref<Json::object_t&>().emplace_back(piece, id);
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
  // The file's text with what was added, read back; which new tokens their own bytes do not give.
  ExtendedTokenizer finish() const {
    ExtendedTokenizer out;
    out.file = json_.dump(2) + "\n";
    const auto now = parse_tokenizer_json(out.file, "the extended vocabulary");
    out.before = vocabulary().size();
    out.after = now->vocabulary().size();
    for (TokenId id = 0; id < out.after; ++id) {
      const std::string_view bytes = now->vocabulary().bytes(id);
      if (id < out.before) {
        if (now->vocabulary().piece(id) != vocabulary().piece(id) ||
            bytes != vocabulary().bytes(id)) {
          refuse(fmt::format("id {} would stand for other bytes", id));
        }
      } else if (now->encode_piece(bytes) != std::vector<TokenId>{id}) {
        out.unreachable.emplace_back(now->vocabulary().piece(id));
      }
    }
    return out;
  }
  [[noreturn]] void refuse(const std::string& what, const std::string& remedy = "") const {
    throw Error(path_, what, remedy);
  }

 private:
  std::string path_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  Json json_;
};

// Tokens that no merge may give have a text that none can have.
std::string mergeable(const Vocabulary& vocabulary, TokenId id) {
  const TokenRole role = vocabulary.role(id);
  if (role == TokenRole::normal) return std::string(vocabulary.piece(id));
  return fmt::format("\xFF{}", id);
}

void check_size(const BaseFile& base, int64_t size) {
  if (size <= base.vocabulary().size()) {
    throw Error(
        fmt::format("--vocab-size {}", size),
        fmt::format("leaves no room: the vocabulary has {} tokens", base.vocabulary().size()),
        "Ask for more.");
  }
}

}  // namespace

ExtendedTokenizer extend_by_texts(const std::string& base, TrainingTexts& texts,
                                  const TrainingRequest& request) {
  BaseFile file(base);
  check_size(file, request.vocab_size);
  const WordCounts counts = count_words(texts, file.parts(), request);
  expect_text(!counts.words.empty());
  const Vocabulary& vocabulary = file.vocabulary();
  std::vector<std::string> tokens;
  tokens.reserve(static_cast<size_t>(vocabulary.size()));
  for (TokenId id = 0; id < vocabulary.size(); ++id) tokens.push_back(mergeable(vocabulary, id));
  PairMerger merger(std::move(tokens), {.vocab_size = request.vocab_size});
  std::vector<uint32_t> symbols;
  for (const CountedWord& word : counts.words) {
    symbols.clear();
    bool whole = true;
    for (TokenId id : file.tokenizer().encode_piece(word.word)) {
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
  for (const LearnedMerge& m : merges) file.add_merge(all[m.left], all[m.right]);
  ExtendedTokenizer out = file.finish();
  out.notes = notes_of(counts, texts);
  if (out.after < request.vocab_size) {
    out.notes.push_back(fmt::format("the texts ran out of pairs: {} tokens instead of {}.",
                                    out.after, request.vocab_size));
  }
  return out;
}

ExtendedTokenizer extend_by_vocabulary(const std::string& base, const std::string& added,
                                       int64_t vocab_size) {
  BaseFile file(base);
  const BaseFile other(added);
  check_size(file, vocab_size);
  const bool by_bytes = TextCutter(file.parts()).reading() == Reading::byte_level;
  if (by_bytes != (TextCutter(other.parts()).reading() == Reading::byte_level)) {
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
  ExtendedTokenizer out = file.finish();
  if (out.after < vocab_size) {
    out.notes.push_back(fmt::format("{} has no more to add: {} tokens instead of {}.", added,
                                    out.after, vocab_size));
  }
  return out;
}

}  // namespace tessera
