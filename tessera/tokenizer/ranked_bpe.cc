#include "tessera/tokenizer/ranked_bpe.h"

#include <algorithm>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/files/shown.h"
#include "tessera/tokenizer/bpe.h"
#include "tessera/tokenizer/pipeline.h"
#include "tessera/tokenizer/pre_tokenizers.h"

namespace tessera {
namespace {

// A token is looked at once for every way to cut it in two.
constexpr size_t kLongest = 1000;

class Builder {
 public:
  Builder(const RankedVocabulary& from, const std::string& where) : from_(from), where_(where) {}

  std::shared_ptr<const Tokenizer> build() {
    int64_t size = from_.first_id + static_cast<int64_t>(from_.tokens.size());
    for (const NamedSpecial& s : from_.specials) size = std::max<int64_t>(size, s.id + 1);
    parts_.vocabulary = std::make_unique<VocabularyTable>(size);
    add_tokens();
    std::vector<bool> control(static_cast<size_t>(size));
    for (const NamedSpecial& s : from_.specials) {
      add_special(s);
      control[static_cast<size_t>(s.id)] = true;
    }
    BpeOptions options;
    options.reading = Reading::byte_level;
    options.ignore_merges = true;
    std::vector<BpeMerge> joined = merges();
    parts_.model = byte_pair_model(std::move(table_), joined, std::move(control), options);
    // What a pattern does not match is dropped; a rule that is known matches everything.
    parts_.pre_tokenizer = cut(SplitBehaviour::isolated, false);
    if (!parts_.pre_tokenizer->words()) parts_.pre_tokenizer = cut(SplitBehaviour::removed, true);
    parts_.library_parses_control = false;
    parts_.library_refuses_control = from_.library_refuses_control;
    parts_.bos = from_.bos;
    parts_.eos = from_.eos;
    return make_tokenizer(std::move(parts_));
  }

 private:
  std::string named(size_t rank) const {
    return "the token of rank " + std::to_string(rank) + " " + shown(from_.tokens[rank]);
  }

  std::unique_ptr<PreTokenizer> cut(SplitBehaviour behaviour, bool invert) const {
    std::vector<std::unique_ptr<PreTokenizer>> steps;
    steps.push_back(splitter(pattern(), behaviour, invert));
    steps.push_back(byte_level(false, false));
    return sequence(std::move(steps));
  }

  Pattern pattern() const {
    try {
      return Pattern(from_.pattern, Dialect::rust);
    } catch (const Error& e) {
      throw e.within(where_ + ": the pattern");
    }
  }

  void add_tokens() {
    table_.reserve(from_.tokens.size(), 8 * from_.tokens.size());
    for (size_t rank = 0; rank < from_.tokens.size(); ++rank) {
      const std::string& bytes = from_.tokens[rank];
      if (bytes.empty()) continue;
      if (bytes.size() > kLongest) throw Error(where_, named(rank) + " has more than 1,000 bytes");
      const TokenId id = from_.first_id + static_cast<TokenId>(rank);
      if (!table_.insert(bytes, id)) throw Error(where_, named(rank) + " is there twice");
      parts_.vocabulary->set(id, bytes, TokenRole::normal);
      parts_.vocabulary->set_bytes(id, bytes, bytes.starts_with(' '));
    }
    for (int b = 0; b < 256; ++b) {
      const char byte = static_cast<char>(b);
      if (table_.find({&byte, 1}) < 0) {
        throw Error(where_, "no token stands for the byte " + std::to_string(b),
                    "Every byte has to have one.");
      }
    }
  }

  void add_special(const NamedSpecial& s) {
    VocabularyTable& vocabulary = *parts_.vocabulary;
    const bool other_name = vocabulary.role(s.id) == TokenRole::control;
    if (s.text.empty() || (!other_name && !vocabulary.set(s.id, s.text, TokenRole::control))) {
      throw Error(where_, "the special token " + shown(s.text) + " with id " +
                              std::to_string(s.id) + " has what belongs to another token");
    }
    vocabulary.set_bytes(s.id, "", false);
    AddedToken added;
    added.id = s.id;
    added.content = s.text;
    added.special = true;
    parts_.added.push_back(std::move(added));
  }

  std::vector<BpeMerge> merges() const {
    std::vector<BpeMerge> out;
    out.reserve(4 * from_.tokens.size());
    for (size_t rank = 0; rank < from_.tokens.size(); ++rank) {
      const std::string_view bytes = from_.tokens[rank];
      for (size_t at = 1; at < bytes.size(); ++at) {
        if (!table_.has_length(at) || !table_.has_length(bytes.size() - at)) continue;
        const TokenId left = table_.find(bytes.substr(0, at));
        if (left < 0) continue;
        const TokenId right = table_.find(bytes.substr(at));
        if (right < 0) continue;
        out.push_back({left, right, from_.first_id + static_cast<TokenId>(rank),
                       static_cast<uint32_t>(rank)});
      }
    }
    return out;
  }

  const RankedVocabulary& from_;
  const std::string& where_;
  PipelineParts parts_;
  PieceTable table_;
};

}  // namespace

std::shared_ptr<const Tokenizer> make_ranked_bpe(const RankedVocabulary& vocabulary,
                                                 const std::string& where) {
  return Builder(vocabulary, where).build();
}

}  // namespace tessera
