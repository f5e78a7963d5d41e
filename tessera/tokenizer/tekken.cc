#include "tessera/tokenizer/tekken.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/base64.h"
#include "tessera/tokenizer/json_value.h"
#include "tessera/tokenizer/ranked_bpe.h"

namespace tessera {
namespace {

// Of files up to version 7, which do not list them.
constexpr std::array<std::string_view, 20> kOldSpecials = {"<unk>",
                                                           "<s>",
                                                           "</s>",
                                                           "[INST]",
                                                           "[/INST]",
                                                           "[AVAILABLE_TOOLS]",
                                                           "[/AVAILABLE_TOOLS]",
                                                           "[TOOL_RESULTS]",
                                                           "[/TOOL_RESULTS]",
                                                           "[TOOL_CALLS]",
                                                           "[IMG]",
                                                           "<pad>",
                                                           "[IMG_BREAK]",
                                                           "[IMG_END]",
                                                           "[PREFIX]",
                                                           "[MIDDLE]",
                                                           "[SUFFIX]",
                                                           "[SYSTEM_PROMPT]",
                                                           "[/SYSTEM_PROMPT]",
                                                           "[TOOL_CONTENT]"};
// Beyond the tokens that a file lists, so many special ones may be asked for.
constexpr int64_t kMostSpecials = 65536;

int64_t number(const JsonValue& json, std::string_view name, int64_t least, int64_t most) {
  const JsonValue value = json.require(name);
  const int64_t n = value.as_integer();
  if (n < least || n > most) value.refuse(fmt::format("is {}, outside {} to {}", n, least, most));
  return n;
}

void read_specials(const JsonValue& top, int64_t count, RankedVocabulary& out) {
  if (auto listed = top.find("special_tokens")) {
    for (const JsonValue& item : listed->items()) {
      item.only({"rank", "token_str", "is_control"});
      const auto rank = number(item, "rank", 0, count - 1);
      if (rank != static_cast<int64_t>(out.specials.size())) {
        item.require("rank").refuse("is not the place in the list");
      }
      out.specials.push_back(
          {std::string(item.require("token_str").as_text()), static_cast<TokenId>(rank)});
    }
  } else {
    for (const std::string_view text : kOldSpecials) {
      if (static_cast<int64_t>(out.specials.size()) == count) break;
      out.specials.push_back({std::string(text), static_cast<TokenId>(out.specials.size())});
    }
  }
  for (auto id = static_cast<int64_t>(out.specials.size()); id < count; ++id) {
    out.specials.push_back({fmt::format("<SPECIAL_{}>", id), static_cast<TokenId>(id)});
  }
  for (const NamedSpecial& s : out.specials) {
    if (s.text == "<s>") out.bos = s.id;
    if (s.text == "</s>") out.eos = s.id;
  }
}

}  // namespace

bool looks_like_tekken(const JsonValue& top) {
  if (!top.is_object()) return false;
  const auto config = top.find("config"), vocab = top.find("vocab");
  return config && config->is_object() && config->find("pattern") && vocab && vocab->is_array();
}

RankedVocabulary tekken_vocabulary(const JsonValue& top) {
  top.only({"config", "vocab", "special_tokens", "image", "multimodal", "audio",
            "model_settings_builder", "version", "type"});
  const JsonValue config = top.require("config"), vocab = top.require("vocab");
  config.only({"pattern", "num_vocab_tokens", "default_vocab_size", "default_num_special_tokens",
               "version"});
  RankedVocabulary out;
  out.pattern = config.require("pattern").as_text();
  const auto listed = static_cast<int64_t>(vocab.as_array().size());
  const int64_t specials = number(config, "default_num_special_tokens", 0, kMostSpecials);
  const int64_t size = number(config, "default_vocab_size", specials, specials + listed);
  read_specials(top, specials, out);
  out.first_id = static_cast<TokenId>(specials);
  out.tokens.reserve(static_cast<size_t>(size - specials));
  for (simdjson::dom::element element : vocab.as_array()) {
    const auto rank = static_cast<int64_t>(out.tokens.size());
    if (rank == size - specials) break;
    int64_t said = 0;
    std::string_view text;
    std::string bytes;
    if (element["rank"].get(said) || said != rank) {
      vocab.item(element, out.tokens.size()).refuse(fmt::format("\"rank\" is not {}", rank));
    }
    if (element["token_bytes"].get(text) || text.empty() || !decode_base64(text, bytes)) {
      vocab.item(element, out.tokens.size()).refuse("\"token_bytes\" is not base64");
    }
    out.tokens.push_back(std::move(bytes));
  }
  return out;
}

std::shared_ptr<const Tokenizer> read_tekken(const JsonValue& top) {
  const RankedVocabulary vocabulary = tekken_vocabulary(top);
  return top.at_this_place([&] { return make_ranked_bpe(vocabulary, "vocab"); });
}

std::shared_ptr<const Tokenizer> parse_tekken(std::string_view json, const std::string& where) {
  simdjson::dom::parser parser;
  return read_tekken(JsonValue(parse_json(parser, json, where), where, ""));
}

}  // namespace tessera
