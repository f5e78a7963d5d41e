#include <algorithm>
#include <limits>
#include <utility>

#include "tessera/base/base64.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/decoders.h"
#include "tessera/tokenizer/normalisers.h"
#include "tessera/tokenizer/pre_tokenizers.h"
#include "tessera/tokenizer/tokenizer_json.h"

namespace tessera {
namespace {

constexpr std::string_view kRemedy = "docs/formats/tokenizer-json.md lists what is supported.";

[[noreturn]] void refuse_type(const JsonValue& json, std::string_view kind, std::string_view type) {
  json.refuse("the " + std::string(kind) + " " + shown(type) + " is not supported",
              std::string(kRemedy));
}

// {"String": ".."} or {"Regex": ".."}.
Pattern read_pattern(const JsonValue& json, bool* one_unit = nullptr) {
  json.only({"String", "Regex"});
  auto text = json.find("String");
  auto regex = json.find("Regex");
  if (text.has_value() == regex.has_value()) json.refuse("needs one of \"String\" and \"Regex\"");
  if (text) {
    std::string_view content = text->as_text();
    if (content.empty()) text->refuse("is empty");
    if (content.size() > 1000) text->refuse("has more than 1,000 bytes");
    if (one_unit) *one_unit = unit_at(content, 0).length == content.size();
    return text->at_this_place([&] { return Pattern::literal(content); });
  }
  if (one_unit) *one_unit = false;
  std::string_view content = regex->as_text();
  if (content.size() > 20000) regex->refuse("has more than 20,000 bytes");
  return regex->at_this_place([&] { return Pattern(content); });
}

template <class Part, class Read>
std::vector<std::unique_ptr<Part>> read_all_of(const JsonValue& json, std::string_view member,
                                               const Read& read) {
  json.only({"type", member});
  std::vector<std::unique_ptr<Part>> parts;
  for (const JsonValue& item : json.require(member).items()) parts.push_back(read(item));
  return parts;
}

SplitBehaviour read_behaviour(const JsonValue& json) {
  std::string_view name = json.as_text();
  if (name == "Removed") return SplitBehaviour::removed;
  if (name == "Isolated") return SplitBehaviour::isolated;
  if (name == "MergedWithPrevious") return SplitBehaviour::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehaviour::merged_with_next;
  if (name == "Contiguous") return SplitBehaviour::contiguous;
  refuse_type(json, "behaviour", name);
}

std::string read_character(const JsonValue& json, std::string_view member,
                           std::string_view standard) {
  std::string text = json.text(member, standard);
  if (text.empty() || unit_at(text, 0).length != text.size()) {
    json.require(member).refuse("is not one character");
  }
  return text;
}

PrependScheme read_prepend(const JsonValue& json) {
  auto scheme = json.find("prepend_scheme");
  bool legacy = json.boolean("add_prefix_space", true);
  if (!scheme) return legacy ? PrependScheme::always : PrependScheme::never;
  std::string_view name = scheme->as_text();
  if (!legacy && name != "never") scheme->refuse("contradicts \"add_prefix_space\": false");
  if (name == "always") return PrependScheme::always;
  if (name == "first") return PrependScheme::first;
  if (name == "never") return PrependScheme::never;
  refuse_type(*scheme, "scheme", name);
}

MetaspaceOptions read_metaspace(const JsonValue& json) {
  json.only({"type", "replacement", "str_rep", "prepend_scheme", "add_prefix_space", "split"});
  MetaspaceOptions options;
  options.replacement = read_character(json, "replacement", options.replacement);
  options.prepend = read_prepend(json);
  options.split = json.boolean("split", true);
  return options;
}

}  // namespace

std::unique_ptr<Normaliser> read_normaliser(const JsonValue& json) {
  const JsonValue named = json.require("type");
  std::string_view type = named.as_text();
  if (type == "Sequence") {
    return sequence(read_all_of<Normaliser>(json, "normalizers", read_normaliser));
  }
  if (type == "BertNormalizer") {
    json.only({"type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"});
    BertNormaliserOptions options;
    options.clean_text = json.boolean("clean_text", true);
    options.chinese_spaces = json.boolean("handle_chinese_chars", true);
    options.lower_case = json.boolean("lowercase", true);
    options.strip_accents = json.boolean("strip_accents", options.lower_case);
    return bert_normaliser(options);
  }
  if (type == "Strip") {
    json.only({"type", "strip_left", "strip_right"});
    return space_stripper(json.boolean("strip_left", true), json.boolean("strip_right", true));
  }
  if (type == "Replace") {
    json.only({"type", "pattern", "content"});
    return replacer(read_pattern(json.require("pattern")),
                    std::string(json.require("content").as_text()));
  }
  if (type == "Prepend") {
    json.only({"type", "prepend"});
    return prepender(std::string(json.require("prepend").as_text()));
  }
  if (type == "Precompiled") {
    json.only({"type", "precompiled_charsmap"});
    const JsonValue map = json.require("precompiled_charsmap");
    std::string bytes;
    if (!decode_base64(map.as_text(), bytes)) map.refuse("is not base64");
    return map.at_this_place([&] { return precompiled(Charsmap(bytes, "the map")); });
  }
  json.only({"type"});
  if (type == "Nmt") return nmt_normaliser();
  if (type == "ByteLevel") return byte_level_normaliser();
  if (type == "NFC") return normal_form(NormalForm::nfc);
  if (type == "NFD") return normal_form(NormalForm::nfd);
  if (type == "NFKC") return normal_form(NormalForm::nfkc);
  if (type == "NFKD") return normal_form(NormalForm::nfkd);
  if (type == "Lowercase") return lower_caser();
  if (type == "StripAccents") return accent_stripper();
  refuse_type(json, "normalizer", type);
}

std::unique_ptr<PreTokenizer> read_pre_tokenizer(const JsonValue& json) {
  const JsonValue named = json.require("type");
  std::string_view type = named.as_text();
  if (type == "Sequence") {
    return sequence(read_all_of<PreTokenizer>(json, "pretokenizers", read_pre_tokenizer));
  }
  if (type == "ByteLevel") {
    json.only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    return byte_level(json.boolean("add_prefix_space", true), json.boolean("use_regex", true));
  }
  if (type == "Split") {
    json.only({"type", "pattern", "behavior", "invert"});
    return splitter(read_pattern(json.require("pattern")), read_behaviour(json.require("behavior")),
                    json.boolean("invert", false));
  }
  if (type == "Digits") {
    json.only({"type", "individual_digits"});
    return class_splitter("numeric", json.boolean("individual_digits", false)
                                         ? SplitBehaviour::isolated
                                         : SplitBehaviour::contiguous);
  }
  if (type == "Punctuation") {
    json.only({"type", "behavior"});
    auto behaviour = json.find("behavior");
    return class_splitter("punctuation",
                          behaviour ? read_behaviour(*behaviour) : SplitBehaviour::isolated);
  }
  if (type == "CharDelimiterSplit") {
    json.only({"type", "delimiter"});
    return splitter(Pattern::literal(read_character(json, "delimiter", "")),
                    SplitBehaviour::removed, false);
  }
  if (type == "Metaspace") return metaspace(read_metaspace(json));
  if (type == "FixedLength") {
    json.only({"type", "length"});
    const int64_t length = json.integer("length", 5);
    if (length < 1) json.require("length").refuse("is " + std::to_string(length) + ", below 1");
    return fixed_length(static_cast<size_t>(length));
  }
  json.only({"type"});
  if (type == "Whitespace") return word_splitter();
  if (type == "UnicodeScripts") return script_splitter();
  if (type == "WhitespaceSplit") return class_splitter("split_space", SplitBehaviour::removed);
  if (type == "BertPreTokenizer") {
    std::vector<std::unique_ptr<PreTokenizer>> parts;
    parts.push_back(class_splitter("bert_space", SplitBehaviour::removed));
    parts.push_back(class_splitter("bert_punctuation", SplitBehaviour::isolated));
    return sequence(std::move(parts));
  }
  refuse_type(json, "pre_tokenizer", type);
}

std::unique_ptr<Decoder> read_decoder(const JsonValue& json) {
  const JsonValue named = json.require("type");
  std::string_view type = named.as_text();
  if (type == "Sequence") return sequence(read_all_of<Decoder>(json, "decoders", read_decoder));
  if (type == "ByteLevel") {
    json.only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    return byte_level_decoder();
  }
  if (type == "WordPiece") {
    json.only({"type", "prefix", "cleanup"});
    return word_piece_decoder(json.text("prefix", "##"), json.boolean("cleanup", true));
  }
  if (type == "Metaspace") {
    MetaspaceOptions options = read_metaspace(json);
    return metaspace_decoder(options.replacement, options.prepend);
  }
  if (type == "Strip") {
    json.only({"type", "content", "start", "stop"});
    auto count = [&](std::string_view member) {
      int64_t n = json.integer(member, 0);
      if (n < 0) json.require(member).refuse("is negative");
      return static_cast<size_t>(n);
    };
    return strip_decoder(read_character(json, "content", " "), count("start"), count("stop"));
  }
  if (type == "Replace") {
    json.only({"type", "pattern", "content"});
    bool one_unit = false;
    Pattern pattern = read_pattern(json.require("pattern"), &one_unit);
    return replace_decoder(std::move(pattern), std::string(json.require("content").as_text()),
                           one_unit);
  }
  if (type == "CTC") {
    json.only({"type", "pad_token", "word_delimiter_token", "cleanup"});
    CtcOptions options;
    options.pad = json.text("pad_token", options.pad);
    options.word_end = json.text("word_delimiter_token", options.word_end);
    options.cleanup = json.boolean("cleanup", options.cleanup);
    return ctc_decoder(std::move(options));
  }
  if (type == "BPEDecoder") {
    json.only({"type", "suffix"});
    return suffix_decoder(json.text("suffix", "</w>"));
  }
  json.only({"type"});
  if (type == "ByteFallback") return byte_fallback_decoder();
  if (type == "Fuse") return fuse_decoder();
  refuse_type(json, "decoder", type);
}

namespace {

class TemplateReader {
 public:
  explicit TemplateReader(int64_t vocabulary_size) : size_(vocabulary_size) {}

  TextTemplate read(const JsonValue& json) const {
    const JsonValue named = json.require("type");
    const std::string_view type = named.as_text();
    if (type == "Sequence") return sequence(json);
    if (type == "ByteLevel") {
      json.only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
      return {};
    }
    if (type == "BertProcessing") return two_marks(json, false);
    if (type == "RobertaProcessing") return two_marks(json, true);
    if (type != "TemplateProcessing") refuse_type(json, "post_processor", type);
    return by_template(json);
  }

 private:
  TokenId checked(const JsonValue& id) const {
    const int64_t n = id.as_integer();
    if (n < 0 || n >= size_) {
      id.refuse("is " + std::to_string(n) + ", outside the " + std::to_string(size_) +
                " ids of the vocabulary");
    }
    return static_cast<TokenId>(n);
  }

  // The later ones stand further out. Of two texts only one may say what stands around them.
  TextTemplate sequence(const JsonValue& json) const {
    json.only({"type", "processors"});
    TextTemplate out;
    for (const JsonValue& item : json.require("processors").items()) {
      TextTemplate inner = read(item);
      if (!inner.pair.empty() && !out.pair.empty()) {
        item.refuse("is a second template; which one is the outer one is not said");
      }
      if (!inner.pair.empty()) out = std::move(inner);
    }
    return out;
  }

  // [CLS] A [SEP] B [SEP], or <s> A </s></s> B </s> whose types are all 0.
  TextTemplate two_marks(const JsonValue& json, bool roberta) const {
    json.only({"type", "sep", "cls", "trim_offsets", "add_prefix_space"});
    auto id_of = [&](std::string_view member) {
      auto pair = json.require(member).items();
      if (pair.size() != 2) json.require(member).refuse("is not [token, id]");
      return checked(pair[1]);
    };
    const TokenId first = id_of("cls"), end = id_of("sep");
    const int32_t second = roberta ? 0 : 1;
    std::vector<TokenId> between = {end};
    if (roberta) between.push_back(end);
    return {.before = {first},
            .after = {end},
            .pair = {{.ids = {first}},
                     {.text = 0},
                     {.ids = between},
                     {.text = 1, .type = second},
                     {.ids = {end}, .type = second}}};
  }

  TextTemplate by_template(const JsonValue& json) const {
    json.only({"type", "single", "pair", "special_tokens"});
    TextTemplate out;
    bool seen = false;
    for (PairPart& part : parts(json, "single")) {
      if (part.text > 0) json.require("single").refuse("has a place for a second text");
      if (part.text < 0) {
        auto& ids = seen ? out.after : out.before;
        ids.insert(ids.end(), part.ids.begin(), part.ids.end());
        continue;
      }
      if (seen) json.require("single").refuse("has a second place for the text");
      seen = true;
    }
    if (!seen) json.require("single").refuse("has no place for the text");
    auto pair = json.find("pair");
    if (!pair || pair->as_array().size() == 0) return out;
    out.pair = parts(json, "pair");
    for (const int8_t text : {0, 1}) {
      auto is = [&](const PairPart& part) { return part.text == text; };
      if (std::count_if(out.pair.begin(), out.pair.end(), is) != 1) {
        pair->refuse(std::string("needs one place for text ") + (text == 0 ? "A" : "B"));
      }
    }
    return out;
  }

  std::vector<PairPart> parts(const JsonValue& json, std::string_view member) const {
    const JsonValue specials = json.require("special_tokens");
    std::vector<PairPart> out;
    for (const JsonValue& item : json.require(member).items()) {
      item.only({"SpecialToken", "Sequence"});
      PairPart part;
      const auto text = item.find("Sequence");
      const JsonValue said = text ? *text : item.require("SpecialToken");
      said.only({"id", "type_id"});
      const int64_t type = said.integer("type_id", 0);
      if (type < 0 || type > std::numeric_limits<int32_t>::max()) {
        said.require("type_id").refuse("is no type");
      }
      part.type = static_cast<int32_t>(type);
      const std::string name(said.require("id").as_text());
      if (text) {
        if (name != "A" && name != "B") said.require("id").refuse("is neither A nor B");
        part.text = name == "A" ? 0 : 1;
      } else if (auto entry = specials.find(name)) {
        for (const JsonValue& id : entry->require("ids").items()) part.ids.push_back(checked(id));
      } else {
        item.refuse(shown(name) + " is not among its special_tokens");
      }
      out.push_back(std::move(part));
    }
    return out;
  }

  int64_t size_;
};

}  // namespace

TextTemplate read_post_processor(const JsonValue& json, int64_t vocabulary_size) {
  return TemplateReader(vocabulary_size).read(json);
}

namespace {

// Padding beyond this would be memory that a few bytes of a file ask for.
constexpr int64_t kMostPadding = 1 << 20;

bool at_front(const JsonValue& json) {
  const std::string direction = json.text("direction", "Right");
  if (direction != "Left" && direction != "Right") {
    json.require("direction").refuse("is " + shown(direction) + ", neither Left nor Right");
  }
  return direction == "Left";
}

int64_t padding_size(const JsonValue& json, int64_t least) {
  const int64_t size = json.as_integer();
  if (size < least || size > kMostPadding) {
    json.refuse("is outside " + std::to_string(least) + " to " + std::to_string(kMostPadding));
  }
  return size;
}

LengthRules::Padding read_padding(const JsonValue& json, int64_t vocabulary_size) {
  json.only({"strategy", "direction", "pad_to_multiple_of", "pad_id", "pad_type_id", "pad_token"});
  LengthRules::Padding out;
  out.front = at_front(json);
  const int64_t id = json.integer("pad_id", 0);
  if (id < 0 || id >= vocabulary_size) {
    json.require("pad_id").refuse("is " + std::to_string(id) + "; the vocabulary has " +
                                  std::to_string(vocabulary_size) + " ids");
  }
  out.id = static_cast<TokenId>(id);
  const int64_t type = json.integer("pad_type_id", 0);
  if (type < 0 || type > std::numeric_limits<int32_t>::max()) {
    json.require("pad_type_id").refuse("is no type");
  }
  out.type = static_cast<int32_t>(type);
  if (auto multiple = json.find("pad_to_multiple_of")) {
    out.multiple = std::max<int64_t>(1, padding_size(*multiple, 0));
  }
  // One text is its batch's longest.
  const JsonValue strategy = json.require("strategy");
  if (strategy.is_string()) {
    if (strategy.as_text() != "BatchLongest") {
      strategy.refuse("is " + shown(strategy.as_text()) + ", neither BatchLongest nor Fixed");
    }
  } else {
    strategy.only({"Fixed"});
    out.least = padding_size(strategy.require("Fixed"), 0);
  }
  return out;
}

}  // namespace

LengthRules read_length_rules(const JsonValue& top, int64_t vocabulary_size) {
  LengthRules out;
  if (auto json = top.find("truncation")) {
    json->only({"direction", "max_length", "strategy", "stride"});
    out.cut_front = at_front(*json);
    const std::string strategy = json->text("strategy", "LongestFirst");
    if (strategy == "OnlyFirst") {
      out.strategy = Truncation::only_first;
    } else if (strategy == "OnlySecond") {
      out.strategy = Truncation::only_second;
    } else if (strategy != "LongestFirst") {
      json->require("strategy")
          .refuse("is " + shown(strategy) + "; known are LongestFirst, OnlyFirst and OnlySecond");
    }
    const int64_t longest = json->require("max_length").as_integer();
    if (longest < 0) json->require("max_length").refuse("is negative");
    out.longest = longest;
  }
  if (auto json = top.find("padding")) out.padding = read_padding(*json, vocabulary_size);
  return out;
}

}  // namespace tessera
