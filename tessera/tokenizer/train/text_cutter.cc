#include "tessera/tokenizer/train/text_cutter.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/tokenizer/known_patterns.h"
#include "tessera/tokenizer/seams.h"
#include "tessera/tokenizer/tokenizer_json.h"
#include "tessera/tokenizer/word_classes.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kCl100kPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// How far back a place to cut is looked for.
constexpr size_t kReach = size_t{1} << 16;

Json byte_level_json(bool pattern) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", pattern}};
}

CuttingParts byte_parts(const Json& pre_tokenizer) {
  return {.pre_tokenizer = pre_tokenizer.dump(), .decoder = byte_level_json(true).dump()};
}

struct Named {
  std::string_view name;
  CuttingParts (*parts)();
};

constexpr Named kNamed[] = {
    {"gpt2", [] { return byte_parts(byte_level_json(true)); }},
    {"cl100k", [] { return cutting_by(kCl100kPattern); }},
    {"o200k", [] { return cutting_by(kO200kPattern); }},
    {"bytes", [] { return byte_parts(byte_level_json(false)); }},
    {"whitespace", [] { return CuttingParts{.pre_tokenizer = R"({"type":"Whitespace"})"}; }},
    {"bert", [] { return CuttingParts{.pre_tokenizer = R"({"type":"BertPreTokenizer"})"}; }},
    {"metaspace",
     [] {
       const Json part = {{"type", "Metaspace"},
                          {"replacement", "\xE2\x96\x81"},
                          {"prepend_scheme", "always"},
                          {"split", true}};
       return CuttingParts{.pre_tokenizer = part.dump(), .decoder = part.dump()};
     }},
    {"none", [] { return CuttingParts{}; }},
};

constexpr std::pair<std::string_view, std::string_view> kNormalisers[] = {
    {"none", "null"},
    {"nfc", R"({"type":"NFC"})"},
    {"nfd", R"({"type":"NFD"})"},
    {"nfkc", R"({"type":"NFKC"})"},
    {"nfkd", R"({"type":"NFKD"})"},
    {"lowercase", R"({"type":"Lowercase"})"},
    {"bert",
     R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true})"},
    {"bert-cased",
     R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":false})"},
};

[[noreturn]] void refuse_name(const char* what, std::string_view name,
                              const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& n : names) list += (list.empty() ? "" : ", ") + n;
  throw Error(what + std::string(" \"") + std::string(name) + "\"",
              "is not known; there are " + list, did_you_mean(name, names));
}

}  // namespace

CuttingParts cutting_named(std::string_view pre_tokenizer) {
  std::vector<std::string> names;
  for (const Named& named : kNamed) {
    if (named.name == pre_tokenizer) return named.parts();
    names.emplace_back(named.name);
  }
  refuse_name("pre-tokenizer", pre_tokenizer, names);
}

CuttingParts cutting_by(std::string_view pattern) {
  return byte_parts({{"type", "Sequence"},
                     {"pretokenizers",
                      {{{"type", "Split"},
                        {"pattern", {{"Regex", pattern}}},
                        {"behavior", "Isolated"},
                        {"invert", false}},
                       byte_level_json(false)}}});
}

std::string normaliser_named(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& [known, json] : kNormalisers) {
    if (known == name) return std::string(json);
    names.emplace_back(known);
  }
  refuse_name("normalizer", name, names);
}

struct TextCutter::Parts {
  std::unique_ptr<Normaliser> normaliser;
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  std::unique_ptr<WordScanner> scanner;  // null: there is no rule
  const Pattern* pattern = nullptr;
  std::string_view text;  // that the scanner is in
  bool at_end = false;
};

TextCutter::TextCutter(const CuttingParts& json) : parts_(std::make_unique<Parts>()) {
  simdjson::dom::parser parser;
  if (json.normaliser != "null") {
    const JsonValue value(parse_json(parser, json.normaliser, "normalizer"), "normalizer", "");
    parts_->normaliser = read_normaliser(value);
  }
  if (json.pre_tokenizer == "null") return;
  const JsonValue value(parse_json(parser, json.pre_tokenizer, "pre-tokenizer"), "pre-tokenizer",
                        "");
  parts_->pre_tokenizer = read_pre_tokenizer(value);
  reading_ = parts_->pre_tokenizer->reading_after(Reading::utf8);
  const auto words = parts_->pre_tokenizer->words();
  if (!words || parts_->normaliser) return;
  parts_->scanner = std::make_unique<WordScanner>(words->rule);
  parts_->pattern = words->pattern;
  using Kind = WordRule::Kind;
  const bool by_blocks = (words->rule.kind == Kind::gpt2 && words->rule.digits == 0) ||
                         (words->rule.kind == Kind::cl100k && !words->rule.white_end);
  way_ = by_blocks ? Way::blocks : Way::texts;
}
TextCutter::~TextCutter() = default;
TextCutter::TextCutter(TextCutter&&) noexcept = default;

void TextCutter::begin_fast(std::string_view text) {
  if (text.size() >= std::numeric_limits<uint32_t>::max()) {
    throw Error("a text", "has 4 GiB or more", "Cut it into several.");
  }
  parts_->text = text;
  parts_->at_end = false;
  parts_->scanner->begin(text);
}

size_t TextCutter::next_words() {
  starts_.clear();
  if (parts_->at_end) return parts_->text.size();
  const size_t at = parts_->scanner->next(starts_);
  if (parts_->scanner->stopped() == WordScanner::Stop::no) return at;
  // The pattern is the judge of what its rule leaves to it.
  std::vector<ByteRange> matches;
  parts_->pattern->find_all(parts_->text, {at, parts_->text.size()}, Reading::utf8, matches);
  for (const ByteRange& match : matches) starts_.push_back(static_cast<uint32_t>(match.begin));
  parts_->at_end = true;
  return parts_->text.size();
}

void TextCutter::cut_slowly(std::string_view text,
                            const std::function<void(std::string_view)>& take) {
  AlignedText aligned(text);
  if (parts_->normaliser) aligned = parts_->normaliser->apply(std::move(aligned));
  const size_t size = aligned.text().size();
  if (size == 0) return;
  PreTokens words{std::move(aligned), {{0, size}}};
  if (parts_->pre_tokenizer) parts_->pre_tokenizer->split(words);
  std::string word;
  for (const ByteRange& piece : words.pieces) {
    word.assign(words.text.text().substr(piece.begin, piece.size()));
    word.append(TextBlock::kPadding, '\0');
    take(std::string_view(word).substr(0, piece.size()));
  }
}

bool TextCutter::white_before(std::string_view text, size_t at) const {
  if (at == 0 || text[at - 1] == '\n') return false;
  return (WordClasses::instance()[unit_before(text, at).code] & kWhite) != 0;
}

size_t TextCutter::place_to_cut(std::string_view text) const {
  const size_t last = text.size() - last_character(text).size();
  const size_t least = text.size() - std::min(text.size(), kReach);
  for (size_t at = last; parts_->pre_tokenizer && at > least;) {
    const Unit left = unit_before(text, at), right = unit_at(text, at);
    const bool parted =
        !parts_->normaliser || parts_->normaliser->parts_between(left.code, right.code);
    if (left.code < kInvalidByte && right.code < kInvalidByte && parted &&
        parts_->pre_tokenizer->cuts_between(left.code, right.code)) {
      return at;
    }
    at -= left.length;
  }
  return last;
}

}  // namespace tessera
