// Files to what all formats share.
#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/files/gguf.h"
#include "tessera/tokenizer/convert.h"
#include "tessera/tokenizer/gguf_pre_tokenizers.h"
#include "tessera/tokenizer/json_value.h"
#include "tessera/tokenizer/known_patterns.h"
#include "tessera/tokenizer/pre_tokenizers.h"
#include "tessera/tokenizer/tekken.h"

namespace tessera {
namespace {

using PlainJson = nlohmann::json;

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw Error(where, "cannot be converted: " + what, "docs/tokenizers.md says what can be.");
}

void read_frame(const Tokenizer& tokenizer, PortableTokenizer& out) {
  const Encoding one = tokenizer.encode("a");
  bool before = true;
  for (size_t i = 0; i < one.ids.size(); ++i) {
    const bool frame = one.origins[i] == TokenOrigin::template_text;
    before = before && frame;
    if (frame) (before ? out.before : out.after).push_back(one.ids[i]);
  }
  out.bos = tokenizer.bos();
  out.eos = tokenizer.eos();
}

void read_vocabulary(const Tokenizer& tokenizer, PortableTokenizer& out) {
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  out.tokens.resize(static_cast<size_t>(vocabulary.size()));
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    PortableTokenizer::Token& token = out.tokens[static_cast<size_t>(id)];
    token.text = vocabulary.piece(id);
    switch (vocabulary.role(id)) {
      case TokenRole::control:
        token.type = PieceType::control;
        break;
      case TokenRole::added:
        token.type = PieceType::user_defined;
        break;
      case TokenRole::unknown:
        token.type = PieceType::unknown;
        break;
      case TokenRole::unused:
        token.type = PieceType::unused;
        break;
      case TokenRole::byte:
        token.type = PieceType::byte;
        break;
      case TokenRole::normal:
        break;
    }
  }
}

void read_scores(const std::vector<float>& scores, PortableTokenizer& out) {
  for (size_t i = 0; i < out.tokens.size() && i < scores.size(); ++i) {
    out.tokens[i].score = scores[i];
  }
}

void read_gguf(const std::string& path, PortableTokenizer& out) {
  const GgufFile file(path);
  const auto model = file.string("tokenizer.ggml.model").value_or("");
  if (model == "llama") {
    read_scores(file.numbers("tokenizer.ggml.scores"), out);
    out.dummy_prefix = file.boolean("tokenizer.ggml.add_space_prefix").value_or(true);
    return;
  }
  if (model != "gpt2") refuse(path, "the vocabulary is of the kind " + std::string(model));
  out.byte_level = true;
  const auto* pre = find_gguf_pre_tokenizer(file.string("tokenizer.ggml.pre").value_or(""));
  if (!pre) refuse(path, "tokenizer.ggml.pre is unknown");
  out.patterns.assign(pre->patterns.begin(), pre->patterns.end());
  out.ignore_merges = pre->ignore_merges;
  for (std::string_view merge : file.strings("tokenizer.ggml.merges")) {
    const size_t space = merge.find(' ', 1);
    out.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
}

// A number of a protocol buffer; the file has been read once, so that it is sound.
uint64_t varint(std::string_view bytes, size_t& at) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && at < bytes.size(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes[at++]);
    value |= static_cast<uint64_t>(byte & 127) << shift;
    if (byte < 128) break;
  }
  return value;
}

// Calls `visit(field, number, bytes)` for each field of a message.
template <class Visit>
void each_field(std::string_view bytes, const Visit& visit) {
  for (size_t at = 0; at < bytes.size();) {
    const uint64_t tag = varint(bytes, at);
    uint64_t number = 0;
    size_t length = 0;
    if ((tag & 7) == 0) number = varint(bytes, at);
    if ((tag & 7) == 1) length = 8;
    if ((tag & 7) == 2) length = varint(bytes, at);
    if ((tag & 7) == 5) length = 4;
    length = std::min(length, bytes.size() - at);
    visit(tag >> 3, number, bytes.substr(at, length));
    at += length;
  }
}

void read_sentence_piece_file(const std::string& path, PortableTokenizer& out) {
  const MappedFile file(path);
  std::vector<float> scores;
  uint64_t kind = 1;
  bool changes_text = false;
  each_field(file.text(), [&](uint64_t field, uint64_t, std::string_view message) {
    if (field == 1) scores.push_back(0);
    each_field(message, [&](uint64_t inner, uint64_t number, std::string_view bytes) {
      if (field == 1 && inner == 2 && bytes.size() == 4) {
        std::memcpy(&scores.back(), bytes.data(), 4);
      }
      if (field == 2 && inner == 3) kind = number;
      if (field == 3 && inner == 2) changes_text = changes_text || !bytes.empty();
      if (field == 3 && inner == 3) out.dummy_prefix = number != 0;
    });
  });
  if (kind != 2) refuse(path, "the vocabulary is not made of byte pairs");
  if (changes_text) refuse(path, "the normaliser has a map of its own");
  read_scores(scores, out);
}

class JsonReader {
 public:
  JsonReader(const std::string& path, PortableTokenizer& out) : path_(path), out_(out) {}

  void read() {
    const MappedFile file(path_);
    const PlainJson top = PlainJson::parse(file.text(), nullptr, false);
    if (!top.is_object() || !top.contains("model")) refuse(path_, "it is no tokenizer.json");
    const PlainJson& model = top["model"];
    if (model.value("type", "BPE") != "BPE") refuse(path_, "the model is no BPE");
    const PlainJson dropout = model.value("dropout", PlainJson());
    if (!dropout.is_null() && dropout != 0) refuse(path_, "merges have a dropout");
    for (const PlainJson& token : top.value("added_tokens", PlainJson::array())) {
      for (const char* flag : {"lstrip", "rstrip", "single_word"}) {
        if (token.value(flag, false)) {
          refuse(path_, "the added token " + token.value("content", "") + " is marked " + flag);
        }
      }
    }
    out_.ignore_merges = model.value("ignore_merges", false);
    std::vector<std::pair<std::string, std::string>> merges;
    for (const PlainJson& merge : model.value("merges", PlainJson::array())) {
      if (merge.is_array()) {
        merges.emplace_back(merge.at(0).get<std::string>(), merge.at(1).get<std::string>());
      } else {
        const auto text = merge.get<std::string>();
        const size_t space = text.find(' ');
        merges.emplace_back(text.substr(0, space), text.substr(space + 1));
      }
    }
    const PlainJson pre = top.value("pre_tokenizer", PlainJson());
    if (pre.is_null()) return read_scored(top, merges);
    read_splitting(pre);
    if (!out_.byte_level) refuse(path_, "the pre-tokenizer is not byte-level");
    const PlainJson normaliser = top.value("normalizer", PlainJson());
    out_.composes = is_nfc(normaliser);
    if (!normaliser.is_null() && !out_.composes) {
      refuse(path_, "there is a normaliser other than NFC");
    }
    out_.merges = std::move(merges);
  }

 private:
  // Also as the only part of a sequence.
  static bool is_nfc(const PlainJson& normaliser) {
    if (!normaliser.is_object()) return false;
    const PlainJson parts = normaliser.value("normalizers", PlainJson());
    if (parts.is_array() && parts.size() == 1) return is_nfc(parts[0]);
    return normaliser.value("type", "") == "NFC";
  }

  // To drop what does not match is the same as to isolate matches where the pattern matches
  // everything; where it does not, the comparison finds out.
  static bool cuts_alike(const PlainJson& split) {
    const std::string behaviour = split.value("behavior", "");
    return behaviour == "Isolated" || (behaviour == "Removed" && split.value("invert", false));
  }

  void read_splitting(const PlainJson& pre) {
    const std::string type = pre.value("type", "");
    if (type == "Sequence") {
      for (const PlainJson& part : pre.value("pretokenizers", PlainJson::array()))
        read_splitting(part);
    } else if (type == "Split" && cuts_alike(pre) &&
               pre.value("pattern", PlainJson::object()).contains("Regex")) {
      out_.patterns.push_back(pre["pattern"]["Regex"].get<std::string>());
    } else if (type == "Digits" && pre.value("individual_digits", false)) {
      out_.patterns.emplace_back("\\p{N}");
    } else if (type == "ByteLevel" && !pre.value("add_prefix_space", true)) {
      out_.byte_level = true;
      if (pre.value("use_regex", true)) out_.patterns.emplace_back(kGpt2Pattern);
    } else {
      refuse(path_, "there is the pre-tokenizer " + type);
    }
  }

  // SentencePiece's byte pairs as merges: the earlier a merge, the higher its result's score.
  void read_scored(const PlainJson& top,
                   const std::vector<std::pair<std::string, std::string>>& merges) {
    const PlainJson normaliser = top.value("normalizer", PlainJson());
    out_.dummy_prefix = false;
    const std::string text = normaliser.dump();
    if (text.find("Replace") == std::string::npos) {
      refuse(path_, "spaces are not written as marks");
    }
    out_.dummy_prefix = text.find("Prepend") != std::string::npos;
    std::map<std::string, float, std::less<>> scores;
    float score = 0;
    for (const auto& [left, right] : merges) {
      if (scores.emplace(left + right, score).second) score -= 1;
    }
    for (PortableTokenizer::Token& token : out_.tokens) {
      const auto it = scores.find(token.text);
      token.score = it == scores.end() ? score : it->second;
    }
  }

  const std::string& path_;
  PortableTokenizer& out_;
};

}  // namespace

PortableTokenizer read_portable(const std::string& path, const Tokenizer& tokenizer,
                                const TiktokenOptions& ranks) {
  PortableTokenizer out;
  out.where = path;
  out.vocabulary = &tokenizer.vocabulary();
  read_vocabulary(tokenizer, out);
  read_frame(tokenizer, out);
  const MappedFile file(path);
  const std::string_view start = file.text().substr(0, 4);
  if (start == "GGUF") {
    read_gguf(path, out);
  } else if (start.substr(0, 1) == "{") {
    simdjson::dom::parser parser;
    const JsonValue top(parse_json(parser, file.text(), path), path, "");
    if (looks_like_tekken(top)) {
      read_ranked(tekken_vocabulary(top), out);
      return out;
    }
    try {
      JsonReader(path, out).read();
    } catch (const nlohmann::json::exception&) {
      refuse(path, "something in it has another type than it should");
    }
  } else if (looks_like_tiktoken(file.text())) {
    read_ranked(tiktoken_vocabulary(file.text(), path, ranks), out);
  } else {
    read_sentence_piece_file(path, out);
  }
  return out;
}

}  // namespace tessera
