#include "tessera/tokenizer/train/greedy_dictionary.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/train/tokenizer_text.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kParts = 400, kPartsOfBlock = 8, kLongestPart = 400;
// The reference counts characters in a machine word; this is the largest that all readers hold.
constexpr int64_t kAnyLength = 2147483647;

std::string byte_level_text(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) append_unit(out, byte_level_character(static_cast<unsigned char>(c)));
  return out;
}

// The plain way to encode: every length, the longest first.
class LongestMatch {
 public:
  void add(std::string_view token, TokenId id) {
    ids_.emplace(token, id);
    longest_ = std::max(longest_, token.size());
  }
  void encode(std::string_view word, std::vector<TokenId>& out) const {
    while (!word.empty()) {
      size_t length = std::min(longest_, word.size());
      auto found = ids_.end();
      for (; length > 0 && found == ids_.end(); --length) found = ids_.find(word.substr(0, length));
      if (found == ids_.end()) return;
      out.push_back(found->second);
      word.remove_prefix(found->first.size());
    }
  }

 private:
  std::unordered_map<std::string_view, TokenId> ids_;
  size_t longest_ = 0;
};

}  // namespace

void TextSample::add(const TextBlock& block) {
  const std::string_view bytes = block.bytes();
  if (bytes.empty()) return;
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < kPartsOfBlock; ++i) {
    const size_t begin = random_.below(bytes.size());
    std::string part(bytes.substr(begin, 1 + random_.below(kLongestPart)));
    ++seen_;
    if (parts_.size() < kParts) {
      parts_.push_back(std::move(part));
    } else if (const auto place = random_.below(static_cast<uint64_t>(seen_)); place < kParts) {
      parts_[place] = std::move(part);
    }
  }
}

TrainingRequest greedy_request(const TrainingRequest& asked, const std::string& unknown) {
  if (unknown.empty()) throw Error("unknown", "must not be empty in this model");
  TrainingRequest out = asked;
  out.specials = specials_with(asked, unknown);
  return out;
}

CuttingParts byte_cutting(const TrainingRequest& request) {
  CuttingParts parts = parts_of(request, "bytes");
  if (TextCutter(parts).reading() != Reading::byte_level) {
    throw Error("--pre-tokenizer", "reads words by characters, and this model knows bytes",
                "Name bytes, gpt2, cl100k or o200k, or give a --pattern.");
  }
  return parts;
}

void check_room(const TrainingRequest& request, int64_t least, const std::string& of_what) {
  if (request.vocab_size >= least) return;
  throw Error(fmt::format("--vocab-size {}", request.vocab_size),
              fmt::format("cannot hold {} {}", least, of_what),
              fmt::format("{} is the least that works.", least));
}

void note_shortage(std::vector<std::string>& notes, std::string_view what, int64_t tokens,
                   const TrainingRequest& request) {
  if (tokens >= request.vocab_size) return;
  notes.push_back(fmt::format("the texts ran out of {}: {} tokens instead of {}.", what, tokens,
                              request.vocab_size));
}

std::string greedy_text(const std::vector<std::string>& tokens, const CuttingParts& parts,
                        const TrainingRequest& request, const std::string& unknown,
                        const TextSample& sample) {
  Json vocab = Json::object();
  auto& entries = vocab.get_ref<Json::object_t&>();
  LongestMatch plain;
  for (const std::string& special : request.specials) {
    const auto id = static_cast<TokenId>(entries.size());
    // The unknown token's name is text like any other when a text holds it.
    if (special == unknown) plain.add(special, id);
    entries.emplace_back(special, id);
  }
  for (const std::string& token : tokens) {
    const auto id = static_cast<TokenId>(entries.size());
    plain.add(token, id);
    entries.emplace_back(byte_level_text(token), id);
  }
  const Json model = {{"type", "WordPiece"},
                      {"unk_token", unknown},
                      {"continuing_subword_prefix", ""},
                      {"max_input_chars_per_word", kAnyLength},
                      {"vocab", std::move(vocab)}};
  std::string text = tokenizer_text(parts, numbered(request.specials), model);
  const auto made = parse_tokenizer_json(text, "the trained vocabulary");
  TextCutter cutter(parts);
  std::vector<TokenId> wanted;
  for (const std::string& part : sample.parts()) {
    wanted.clear();
    cutter.cut(TextBlock(part, {part.size()}),
               [&](const char* begin, size_t size) { plain.encode({begin, size}, wanted); });
    if (made->encode(part).ids == wanted) continue;
    throw Error("the trained vocabulary",
                "does not give the longest matches for the text " +
                    Json(part).dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  return text;
}

std::vector<std::string> single_bytes() {
  std::vector<std::string> out;
  for (int byte = 0; byte < 256; ++byte) out.emplace_back(1, static_cast<char>(byte));
  return out;
}

}  // namespace tessera
