// Small tokenizer files for tests, and the real ones where they are installed.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tessera/text/utf8.h"
#include "tessera/tokenizer/pattern.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera::fixtures {

using Json = nlohmann::ordered_json;

inline Json added(int64_t id, const std::string& content, bool special, bool normalised = false) {
  return {{"id", id},        {"content", content},       {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", normalised}, {"special", special}};
}

// A byte-level BPE: all bytes, and merges learnt by hand. Ids of <|a|>, <|end of text|>, plain:
// last.
inline Json byte_level_json() {
  Json vocab = Json::object(), merges = Json::array();
  int64_t next = 0;
  for (int b = 0; b < 256; ++b) {
    std::string piece;
    append_unit(piece, byte_level_character(static_cast<unsigned char>(b)));
    vocab[piece] = next++;
  }
  for (auto [left, right] :
       std::vector<std::pair<std::string, std::string>>{{"h", "e"},
                                                        {"l", "l"},
                                                        {"he", "ll"},
                                                        {"hell", "o"},
                                                        {"\xC4\xA0", "hello"},
                                                        {"a", "a"},
                                                        {"aa", "aa"},
                                                        {"\xC4\xA0", "\xC4\xA0"},
                                                        {"\xC3\xA2", "\xC4\xA4"},
                                                        {"<", "|"}}) {
    merges.push_back({left, right});
    vocab[left + right] = next++;
  }
  Json json;
  json["version"] = "1.0";
  json["truncation"] = nullptr;
  json["padding"] = nullptr;
  json["added_tokens"] =
      Json::array({added(next, "<|a|>", true), added(next + 1, "<|end of text|>", true),
                   added(next + 2, "plain", false)});
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  json["post_processor"] = nullptr;
  json["decoder"] = {{"type", "ByteLevel"}};
  json["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", false},
                   {"byte_fallback", false},
                   {"vocab", vocab},
                   {"merges", merges}};
  return json;
}

inline std::shared_ptr<const Tokenizer> parse(const Json& json) {
  return parse_tokenizer_json(json.dump(), "t.json");
}

// A BPE over characters with byte fallback, as SentencePiece files are converted.
inline Json byte_fallback_json() {
  Json vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}}, merges = Json::array();
  int64_t next = 3;
  constexpr char kHex[] = "0123456789ABCDEF";
  for (int b = 0; b < 256; ++b) {
    vocab[std::string("<0x") + kHex[b >> 4] + kHex[b & 15] + ">"] = next++;
  }
  for (const char* piece :
       {"\xE2\x96\x81", "h", "e", "l", "o", "w", "r", "d", "\xC3\xA9", "<", ">", "/", "s"})
    vocab[piece] = next++;
  for (auto [left, right] :
       std::vector<std::pair<std::string, std::string>>{{"h", "e"},
                                                        {"l", "l"},
                                                        {"he", "ll"},
                                                        {"hell", "o"},
                                                        {"\xE2\x96\x81", "hello"},
                                                        {"\xE2\x96\x81", "\xE2\x96\x81"},
                                                        {"<", "/"},
                                                        {"</", "s"},
                                                        {"</s", ">"}}) {
    merges.push_back(left + " " + right);
    if (!vocab.contains(left + right)) vocab[left + right] = next++;
  }
  Json space = {{"String", " "}}, mark = {{"String", "\xE2\x96\x81"}};
  Json json;
  json["version"] = "1.0";
  json["added_tokens"] =
      Json::array({added(0, "<unk>", true), added(1, "<s>", true), added(2, "</s>", true)});
  json["normalizer"] = {{"type", "Sequence"},
                        {"normalizers",
                         {{{"type", "Prepend"}, {"prepend", "\xE2\x96\x81"}},
                          {{"type", "Replace"}, {"pattern", space}, {"content", "\xE2\x96\x81"}}}}};
  json["pre_tokenizer"] = nullptr;
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
        {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", Json::array()},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {1}}, {"tokens", {"<s>"}}}}}}};
  json["decoder"] = {{"type", "Sequence"},
                     {"decoders",
                      {{{"type", "Replace"}, {"pattern", mark}, {"content", " "}},
                       {{"type", "ByteFallback"}},
                       {{"type", "Fuse"}},
                       {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
  json["model"] = {{"type", "BPE"},         {"unk_token", "<unk>"}, {"fuse_unk", true},
                   {"byte_fallback", true}, {"vocab", vocab},       {"merges", merges}};
  return json;
}

inline Json word_piece_json() {
  Json vocab = Json::object();
  int64_t next = 0;
  for (const char* piece :
       {"[PAD]", "[UNK]",  "[CLS]", "[SEP]", "hello",        "world",        "##s", "un",
        "##aff", "##able", "n",     "##a",   "##i",          "##ve",         ",",   ".",
        "!",     "[",      "]",     "cls",   "\xE6\x97\xA5", "\xE6\x9C\xAC", "'"}) {
    vocab[piece] = next++;
  }
  Json json;
  json["version"] = "1.0";
  json["added_tokens"] = Json::array({added(0, "[PAD]", true), added(1, "[UNK]", true),
                                      added(2, "[CLS]", true), added(3, "[SEP]", true)});
  json["normalizer"] = {{"type", "BertNormalizer"},
                        {"clean_text", true},
                        {"handle_chinese_chars", true},
                        {"strip_accents", nullptr},
                        {"lowercase", true}};
  json["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  json["post_processor"] = {
      {"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}};
  json["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  json["model"] = {{"type", "WordPiece"},
                   {"unk_token", "[UNK]"},
                   {"continuing_subword_prefix", "##"},
                   {"max_input_chars_per_word", 100},
                   {"vocab", vocab}};
  return json;
}

inline std::filesystem::path models_folder() {
  if (const char* home = std::getenv("TESSERA_HOME"); home && *home) return home;
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home ? home : "/") / ".local/share/tessera/models";
}

// Every tokenizer at hand, by name.
inline std::map<std::string, std::shared_ptr<const Tokenizer>> all_tokenizers() {
  std::map<std::string, std::shared_ptr<const Tokenizer>> out = {
      {"byte-level", parse(byte_level_json())},
      {"byte fallback", parse(byte_fallback_json())},
      {"WordPiece", parse(word_piece_json())}};
  auto minilm = models_folder() / "all-MiniLM-L6-v2" / "tokenizer.json";
  if (std::filesystem::exists(minilm)) out["MiniLM"] = read_tokenizer_json(minilm.string());
  return out;
}

// Awkward text, with bytes that are no UTF-8 unless `valid`.
inline std::string random_text(std::mt19937& random, bool valid) {
  static const std::vector<std::string> parts = {" ",
                                                 "  ",
                                                 "\n",
                                                 "\r\n",
                                                 "\t",
                                                 "hello",
                                                 " hello",
                                                 "Hello",
                                                 "aaaa",
                                                 "world",
                                                 "unaffable",
                                                 "na\xC3\xAFve",
                                                 "e\xCC\x81",
                                                 "\xE6\x97\xA5\xE6\x9C\xAC",
                                                 "\xF0\x9F\x98\x80",
                                                 "123",
                                                 "'s",
                                                 "don't",
                                                 "!",
                                                 ".",
                                                 "<",
                                                 "|",
                                                 "<|",
                                                 "plain",
                                                 "[",
                                                 "CLS",
                                                 "]",
                                                 "\xE2\x96\x81",
                                                 "<0x41>",
                                                 "\xC2\xA0",
                                                 std::string(1, '\0'),
                                                 "\xEF\xBF\xBD",
                                                 "\xD0\x9F\xD1\x80\xD0\xB8"};
  std::string text;
  for (unsigned n = random() % 12; n > 0; --n) {
    unsigned kind = random() % 10;
    if (kind == 0 && !valid) {
      text += static_cast<char>(random());
    } else if (kind == 1) {
      auto below = [&](unsigned most) { return static_cast<char32_t>(random() % most); };
      unsigned plane = random() % 3;
      append_unit(text, plane == 0   ? below(0x80)
                        : plane == 1 ? below(0xD800)
                                     : 0xE000 + below(0x102000));
    } else {
      text += parts[random() % parts.size()];
    }
  }
  return text;
}

}  // namespace tessera::fixtures
