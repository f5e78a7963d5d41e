#include "tessera/tokenizer/tiktoken.h"

#include <algorithm>
#include <charconv>
#include <span>

#include <fmt/format.h>

#include "tessera/base/base64.h"
#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/base/sha256.h"
#include "tessera/files/shown.h"
#include "tessera/tokenizer/known_patterns.h"

namespace tessera {
namespace {

struct KnownSpecial {
  std::string_view text;
  TokenId id;
};
struct KnownEncoding {
  std::string_view name, sha256, pattern;
  std::vector<KnownSpecial> specials;
  // <|reserved_N|> for these ids.
  TokenId reserved_begin = 0, reserved_end = 0;
};

constexpr std::string_view kEnd = "<|endoftext|>";

std::span<const KnownEncoding> known_encodings() {
  constexpr std::string_view kP50kHash =
      "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069";
  constexpr std::string_view kO200kHash =
      "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d";
  static const std::vector<KnownEncoding> table = {
      {.name = "r50k_base",
       .sha256 = "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
       .pattern = kGpt2TiktokenPattern,
       .specials = {{kEnd, 50256}}},
      {.name = "p50k_base",
       .sha256 = kP50kHash,
       .pattern = kGpt2TiktokenPattern,
       .specials = {{kEnd, 50256}}},
      {.name = "p50k_edit",
       .sha256 = kP50kHash,
       .pattern = kGpt2TiktokenPattern,
       .specials = {{kEnd, 50256},
                    {"<|fim_prefix|>", 50281},
                    {"<|fim_middle|>", 50282},
                    {"<|fim_suffix|>", 50283}}},
      {.name = "cl100k_base",
       .sha256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
       .pattern = kCl100kTiktokenPattern,
       .specials = {{kEnd, 100257},
                    {"<|fim_prefix|>", 100258},
                    {"<|fim_middle|>", 100259},
                    {"<|fim_suffix|>", 100260},
                    {"<|endofprompt|>", 100276}}},
      {.name = "o200k_base",
       .sha256 = kO200kHash,
       .pattern = kO200kPattern,
       .specials = {{kEnd, 199999}, {"<|endofprompt|>", 200018}}},
      {.name = "o200k_harmony",
       .sha256 = kO200kHash,
       .pattern = kO200kPattern,
       .specials = {{"<|startoftext|>", 199998},
                    {kEnd, 199999},
                    {"<|reserved_200000|>", 200000},
                    {"<|reserved_200001|>", 200001},
                    {"<|return|>", 200002},
                    {"<|constrain|>", 200003},
                    {"<|reserved_200004|>", 200004},
                    {"<|channel|>", 200005},
                    {"<|start|>", 200006},
                    {"<|end|>", 200007},
                    {"<|message|>", 200008},
                    {"<|reserved_200009|>", 200009},
                    {"<|reserved_200010|>", 200010},
                    {"<|reserved_200011|>", 200011},
                    {"<|call|>", 200012},
                    {"<|endofprompt|>", 200018}},
       .reserved_begin = 200013,
       .reserved_end = 201088},
  };
  return table;
}

const KnownEncoding* find_encoding(std::string_view name) {
  for (const KnownEncoding& e : known_encodings()) {
    if (e.name == name) return &e;
  }
  return nullptr;
}

std::string_view stem_of(std::string_view path) {
  path = path.substr(path.rfind('/') + 1);
  return path.substr(0, path.find('.'));
}

// The encoding whose content this is; of several with one content the one with the file's name.
const KnownEncoding* encoding_of(std::string_view bytes, const std::string& where) {
  const std::string hash = sha256(bytes);
  const KnownEncoding* found = nullptr;
  for (const KnownEncoding& e : known_encodings()) {
    if (e.sha256 == hash && (!found || e.name == stem_of(where))) found = &e;
  }
  return found;
}

void use(const KnownEncoding& known, RankedVocabulary& out) {
  out.pattern = known.pattern;
  for (TokenId id = known.reserved_begin; id < known.reserved_end; ++id) {
    out.specials.push_back({fmt::format("<|reserved_{}|>", id), id});
  }
  for (const KnownSpecial& s : known.specials) out.specials.push_back({std::string(s.text), s.id});
  for (const NamedSpecial& s : out.specials) {
    if (s.text == kEnd) out.eos = s.id;
  }
}

std::vector<std::string> read_ranks(std::string_view bytes, const std::string& where) {
  std::vector<std::string> tokens;
  // A line has a base64 group, a space and a digit at least.
  constexpr size_t kLeastLine = 6;
  const size_t most = bytes.size() / kLeastLine * 2 + 65536;
  size_t line_number = 0;
  for (size_t at = 0; at < bytes.size();) {
    size_t end = std::min(bytes.find('\n', at), bytes.size());
    std::string_view line = bytes.substr(at, end - at);
    auto refuse = [&](std::string_view what) {
      throw Error(fmt::format("{}: line {} (byte {})", where, line_number, at),
                  fmt::format("{} {}", shown(line, 40), what),
                  "A line of a rank file is base64, a space and a rank.");
    };
    ++line_number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) {
      const size_t space = line.find(' ');
      if (space == std::string_view::npos) refuse("has no space");
      const std::string_view digits = line.substr(space + 1);
      size_t rank = 0;
      auto [stop, fault] = std::from_chars(digits.begin(), digits.end(), rank);
      if (fault != std::errc{} || stop != digits.end()) refuse("does not end in a rank");
      if (rank >= most) refuse(fmt::format("has a rank beyond {}, too far for this file", most));
      std::string token;
      if (space == 0 || !decode_base64(line.substr(0, space), token)) {
        refuse("does not begin with base64");
      }
      if (rank >= tokens.size()) tokens.resize(rank + 1);
      if (!tokens[rank].empty()) refuse("has a rank that is there twice");
      tokens[rank] = std::move(token);
    }
    at = end + 1;
  }
  return tokens;
}

}  // namespace

std::vector<std::string_view> tiktoken_encodings() {
  std::vector<std::string_view> out;
  for (const KnownEncoding& e : known_encodings()) out.push_back(e.name);
  return out;
}

bool looks_like_tiktoken(std::string_view bytes) {
  const std::string_view line = bytes.substr(0, std::min<size_t>(bytes.find('\n'), 2000));
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || space == 0 || space + 1 >= line.size()) return false;
  std::string ignored;
  return line[space + 1] >= '0' && line[space + 1] <= '9' &&
         decode_base64(line.substr(0, space), ignored);
}

RankedVocabulary tiktoken_vocabulary(std::string_view bytes, const std::string& where,
                                     const TiktokenOptions& options) {
  RankedVocabulary vocabulary;
  vocabulary.library_refuses_control = true;
  if (!options.pattern.empty()) {
    vocabulary.pattern = options.pattern;
    vocabulary.specials = options.specials;
    for (const NamedSpecial& s : vocabulary.specials) {
      if (s.id < 0 || s.id > (1 << 24)) {
        throw Error(where, fmt::format("the special token {} has id {}", shown(s.text), s.id),
                    "Ids lie from 0 to 16777216.");
      }
    }
  } else if (!options.encoding.empty()) {
    const KnownEncoding* known = find_encoding(options.encoding);
    if (!known) {
      throw Error(where,
                  fmt::format("no encoding is called {}; known are {}", shown(options.encoding),
                              fmt::join(tiktoken_encodings(), ", ")),
                  did_you_mean(options.encoding, tiktoken_encodings()));
    }
    use(*known, vocabulary);
  } else if (const KnownEncoding* known = encoding_of(bytes, where)) {
    use(*known, vocabulary);
  }
  vocabulary.tokens = read_ranks(bytes, where);
  if (vocabulary.pattern.empty()) {
    throw Error(where,
                fmt::format("a rank file does not say how text is cut, and this content is none "
                            "of {}",
                            fmt::join(tiktoken_encodings(), ", ")),
                "Name one with --encoding, or give the expression with --pattern.");
  }
  return vocabulary;
}

std::shared_ptr<const Tokenizer> parse_tiktoken(std::string_view bytes, const std::string& where,
                                                const TiktokenOptions& options) {
  return make_ranked_bpe(tiktoken_vocabulary(bytes, where, options), where);
}

std::shared_ptr<const Tokenizer> read_tiktoken(const std::string& path,
                                               const TiktokenOptions& options) {
  const MappedFile file(path);
  return parse_tiktoken(file.text(), path, options);
}

}  // namespace tessera
