// What all formats share to files.
#include <algorithm>
#include <numeric>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "tessera/base/atomic_file.h"
#include "tessera/base/error.h"
#include "tessera/files/gguf.h"
#include "tessera/files/gguf_writer.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/convert.h"
#include "tessera/tokenizer/gguf_pre_tokenizers.h"
#include "tessera/tokenizer/pre_tokenizers.h"
#include "tessera/tokenizer/probes.h"
#include "tessera/tokenizer/sentence_piece_writer.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::string_view kMark = "\xE2\x96\x81";

[[noreturn]] void refuse(const PortableTokenizer& t, const std::string& what) {
  throw Error(t.where, what, "Nothing was written.");
}

// Whether the template is one token in front and one behind at most, and which.
void expect_simple_frame(const PortableTokenizer& t) {
  const auto named = [](const std::vector<TokenId>& ids, std::optional<TokenId> id) {
    return ids.empty() || (ids.size() == 1 && id == ids[0]);
  };
  if (!named(t.before, t.bos) || !named(t.after, t.eos)) {
    refuse(t, "the template has more than a first and a last token");
  }
}

bool is_added(PieceType type) {
  return type == PieceType::control || type == PieceType::user_defined ||
         type == PieceType::unknown;
}

Json json_template(const PortableTokenizer& t) {
  if (t.before.empty() && t.after.empty()) return nullptr;
  Json single = Json::array(), specials = Json::object();
  const auto put = [&](TokenId id) {
    const std::string& text = t.tokens[static_cast<size_t>(id)].text;
    single.push_back({{"SpecialToken", {{"id", text}, {"type_id", 0}}}});
    specials[text] = {{"id", text}, {"ids", {id}}, {"tokens", {text}}};
  };
  for (TokenId id : t.before) put(id);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  for (TokenId id : t.after) put(id);
  Json pair = single;
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 0}}}});
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", specials}};
}

void write_json(const PortableTokenizer& t, const std::string& path) {
  Json vocab = Json::object(), added = Json::array(), merges = Json::array();
  std::string unknown;
  size_t last_plain = 0;
  for (size_t id = 0; id < t.tokens.size(); ++id) {
    if (!is_added(t.tokens[id].type)) last_plain = id;
  }
  for (size_t id = 0; id < t.tokens.size(); ++id) {
    const auto& token = t.tokens[id];
    if (token.type == PieceType::unknown) unknown = token.text;
    // tokenizers numbers added tokens that its vocabulary lacks from the vocabulary's end on.
    if (!t.byte_level || !is_added(token.type) || id < last_plain) vocab[token.text] = id;
    if (!is_added(token.type)) continue;
    added.push_back({{"id", id},
                     {"content", token.text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", token.type != PieceType::user_defined}});
  }
  for (const auto& [left, right] : t.byte_level ? t.merges : merges_of_scores(t)) {
    merges.push_back({left, right});
  }
  Json json = {{"version", "1.0"},
               {"truncation", nullptr},
               {"padding", nullptr},
               {"added_tokens", added},
               {"normalizer", t.composes ? Json{{"type", "NFC"}} : Json(nullptr)},
               {"pre_tokenizer", nullptr},
               {"post_processor", json_template(t)},
               {"decoder", nullptr}};
  if (t.byte_level) {
    Json steps = Json::array();
    for (const std::string& pattern : t.patterns) {
      steps.push_back({{"type", "Split"},
                       {"pattern", {{"Regex", pattern}}},
                       {"behavior", "Isolated"},
                       {"invert", false}});
    }
    steps.push_back({{"type", "ByteLevel"},
                     {"add_prefix_space", false},
                     {"trim_offsets", true},
                     {"use_regex", false}});
    json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", steps}};
    json["decoder"] = {{"type", "ByteLevel"},
                       {"add_prefix_space", false},
                       {"trim_offsets", true},
                       {"use_regex", false}};
  } else {
    const Json space = {{"String", " "}}, mark = {{"String", kMark}};
    Json steps = Json::array();
    if (t.dummy_prefix) steps.push_back({{"type", "Prepend"}, {"prepend", kMark}});
    steps.push_back({{"type", "Replace"}, {"pattern", space}, {"content", kMark}});
    json["normalizer"] = {{"type", "Sequence"}, {"normalizers", steps}};
    Json decoders = {{{"type", "Replace"}, {"pattern", mark}, {"content", " "}},
                     {{"type", "ByteFallback"}},
                     {{"type", "Fuse"}}};
    if (t.dummy_prefix) {
      decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    }
    json["decoder"] = {{"type", "Sequence"}, {"decoders", decoders}};
  }
  const bool bytes = std::any_of(t.tokens.begin(), t.tokens.end(),
                                 [](const auto& token) { return token.type == PieceType::byte; });
  json["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", unknown.empty() ? Json(nullptr) : Json(unknown)},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", !t.byte_level},
                   {"byte_fallback", bytes},
                   {"ignore_merges", t.ignore_merges},
                   {"vocab", vocab},
                   {"merges", merges}};
  write_file(path, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::unique_ptr<PreTokenizer> cutter(const std::vector<std::string>& patterns) {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  for (const std::string& pattern : patterns) {
    steps.push_back(splitter(Pattern(pattern), SplitBehaviour::isolated, false));
  }
  return sequence(std::move(steps));
}

std::vector<ByteRange> pieces(const PreTokenizer& cutter, const std::string& text) {
  if (text.empty()) return {};
  PreTokens tokens{AlignedText(text), {{0, text.size()}}, Reading::utf8};
  cutter.split(tokens);
  return tokens.pieces;
}

// The name for a way to cut text: that of the same patterns, else of patterns that cut all probes
// alike (the names of one row have the same patterns).
std::string_view name_of_patterns(const PortableTokenizer& t) {
  std::vector<const GgufPreTokenizer*> rows;
  for (const GgufPreTokenizer& pre : gguf_pre_tokenizers()) {
    if (pre.byte_level && pre.ignore_merges == t.ignore_merges && !pre.adds_sep)
      rows.push_back(&pre);
  }
  for (const GgufPreTokenizer* pre : rows) {
    if (std::equal(pre->patterns.begin(), pre->patterns.end(), t.patterns.begin(),
                   t.patterns.end())) {
      return pre->names.front();
    }
  }
  const auto source = cutter(t.patterns);
  const auto texts = probe_texts(*t.vocabulary, {.count = 4000, .seed = 3});
  for (const GgufPreTokenizer* pre : rows) {
    const auto other = cutter({pre->patterns.begin(), pre->patterns.end()});
    const auto alike = [&](const std::string& text) {
      return pieces(*source, text) == pieces(*other, text);
    };
    if (std::all_of(texts.begin(), texts.end(), alike)) return pre->names.front();
  }
  refuse(t, "GGUF has no name for this way to split text");
}

void write_gguf(const PortableTokenizer& t, const std::string& path) {
  expect_simple_frame(t);
  GgufWriter writer(path);
  writer.set("general.architecture", "llama");
  writer.set("tokenizer.ggml.model", t.byte_level ? "gpt2" : "llama");
  std::vector<std::string_view> texts;
  std::vector<int32_t> types;
  std::vector<float> scores;
  for (const auto& token : t.tokens) {
    texts.push_back(token.text);
    types.push_back(static_cast<int32_t>(token.type));
    scores.push_back(token.score);
  }
  if (t.byte_level) writer.set("tokenizer.ggml.pre", name_of_patterns(t));
  writer.set("tokenizer.ggml.tokens", std::span<const std::string_view>(texts));
  writer.set("tokenizer.ggml.token_type", std::span<const int32_t>(types));
  std::vector<std::string> joined;
  if (t.byte_level) {
    for (const auto& [left, right] : t.merges) joined.push_back(left + " " + right);
    const std::vector<std::string_view> merges(joined.begin(), joined.end());
    writer.set("tokenizer.ggml.merges", std::span<const std::string_view>(merges));
  } else {
    writer.set("tokenizer.ggml.scores", std::span<const float>(scores));
    writer.set("tokenizer.ggml.add_space_prefix", t.dummy_prefix);
    const auto unknown = std::find_if(t.tokens.begin(), t.tokens.end(), [](const auto& token) {
      return token.type == PieceType::unknown;
    });
    if (unknown != t.tokens.end()) {
      writer.set("tokenizer.ggml.unknown_token_id",
                 static_cast<uint32_t>(unknown - t.tokens.begin()));
    }
  }
  if (t.bos) writer.set("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(*t.bos));
  if (t.eos) writer.set("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(*t.eos));
  writer.set("tokenizer.ggml.add_bos_token", !t.before.empty());
  writer.set("tokenizer.ggml.add_eos_token", !t.after.empty());
  writer.finish();
}

void write_sentence_piece(const PortableTokenizer& t, const std::string& path) {
  if (t.byte_level) refuse(t, "SentencePiece has no byte-level vocabularies");
  if (!t.before.empty() || !t.after.empty()) {
    refuse(t, "SentencePiece files say nothing of a template, and this one has one");
  }
  SentencePieceModel model;
  for (size_t id = 0; id < t.tokens.size(); ++id) {
    const auto& token = t.tokens[id];
    model.pieces.push_back({token.text, token.score, token.type});
    if (token.type == PieceType::unknown) model.unknown = static_cast<int64_t>(id);
  }
  model.bos = t.bos.value_or(-1);
  model.eos = t.eos.value_or(-1);
  model.dummy_prefix = t.dummy_prefix;
  write_file(path, sentence_piece_bytes(model));
}

std::shared_ptr<const Tokenizer> read_json(const std::string& path, const PortableTokenizer&) {
  return read_tokenizer_json(path);
}
std::shared_ptr<const Tokenizer> read_gguf(const std::string& path, const PortableTokenizer&) {
  return read_gguf_tokenizer(GgufFile(path));
}
std::shared_ptr<const Tokenizer> read_model(const std::string& path, const PortableTokenizer&) {
  return read_sentence_piece(path);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> merges_of_scores(const PortableTokenizer& t) {
  std::unordered_map<std::string_view, size_t> ids;
  for (size_t i = 0; i < t.tokens.size(); ++i) {
    if (t.tokens[i].type == PieceType::normal) ids.emplace(t.tokens[i].text, i);
  }
  std::vector<size_t> order(t.tokens.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return t.tokens[a].score > t.tokens[b].score; });
  std::vector<std::pair<std::string, std::string>> out;
  for (size_t id : order) {
    const std::string_view text = t.tokens[id].text;
    if (t.tokens[id].type != PieceType::normal) continue;
    for (size_t at = 0; at < text.size();) {
      at += unit_at(text, at).length;
      if (at >= text.size()) break;
      if (ids.contains(text.substr(0, at)) && ids.contains(text.substr(at))) {
        out.emplace_back(text.substr(0, at), text.substr(at));
      }
    }
  }
  return out;
}

const std::vector<PortableFormat>& portable_formats() {
  static const std::vector<PortableFormat> formats = {
      {"tokenizer.json", ".json", write_json, read_json, {}, true},
      {"GGUF", ".gguf", write_gguf, read_gguf},
      {"SentencePiece", ".model", write_sentence_piece, read_model},
      {"tiktoken ranks", ".tiktoken", write_ranks, read_ranks_of,
       "the pattern that cuts text, and special tokens"},
  };
  return formats;
}

}  // namespace tessera
