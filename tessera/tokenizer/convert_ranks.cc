// Vocabularies of ranks to what all formats share, and back: docs/formats/tiktoken.md.
#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "tessera/base/atomic_file.h"
#include "tessera/base/base64.h"
#include "tessera/base/error.h"
#include "tessera/files/shown.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/convert.h"
#include "tessera/tokenizer/pattern.h"

namespace tessera {
namespace {

// A pattern with another way to write the end of the text, as the other dialect has it.
std::string with_end(std::string_view pattern, std::string_view from, std::string_view to) {
  std::string out;
  bool in_class = false;
  for (size_t at = 0; at < pattern.size();) {
    if (!in_class && pattern.substr(at).starts_with(from)) {
      out += to;
      at += from.size();
      continue;
    }
    const size_t length = pattern[at] == '\\' ? 2 : 1;
    in_class = pattern[at] == '[' || (in_class && pattern[at] != ']');
    out += pattern.substr(at, length);
    at += length;
  }
  return out;
}

std::string in_alphabet(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) append_unit(out, byte_level_character(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

void read_ranked(const RankedVocabulary& ranked, PortableTokenizer& out) {
  out.byte_level = true;
  out.ignore_merges = true;
  out.patterns = {with_end(ranked.pattern, "$", "\\z")};
  std::unordered_map<std::string_view, size_t> ranks;
  for (size_t rank = 0; rank < ranked.tokens.size(); ++rank) {
    if (!ranked.tokens[rank].empty()) ranks.emplace(ranked.tokens[rank], rank);
  }
  std::vector<std::pair<size_t, size_t>> halves;
  for (size_t rank = 0; rank < ranked.tokens.size(); ++rank) {
    const std::string_view token = ranked.tokens[rank];
    if (token.empty()) continue;
    const size_t id = static_cast<size_t>(ranked.first_id) + rank;
    out.tokens[id] = {in_alphabet(token), PieceType::normal, 0};
    // Any two tokens that make it join; of several such pairs the one found first.
    halves.clear();
    for (size_t at = 1; at < token.size(); ++at) {
      const auto left = ranks.find(token.substr(0, at)), right = ranks.find(token.substr(at));
      if (left != ranks.end() && right != ranks.end()) {
        halves.emplace_back(left->second, right->second);
      }
    }
    std::sort(halves.begin(), halves.end());
    for (const auto& [left, right] : halves) {
      out.merges.emplace_back(in_alphabet(ranked.tokens[left]), in_alphabet(ranked.tokens[right]));
    }
  }
  // Ids that nothing has keep their place under a name that no text holds.
  for (size_t id = 0; id < out.tokens.size(); ++id) {
    PortableTokenizer::Token& token = out.tokens[id];
    if (token.text.empty()) token = {fmt::format("[unused {}]", id), PieceType::unused, 0};
  }
}

void write_ranks(const PortableTokenizer& t, const std::string& path) {
  const auto refuse = [&t](const std::string& what) {
    throw Error(t.where, what, "Nothing was written.");
  };
  if (!t.byte_level) refuse("ranks are of byte-level vocabularies, and this one is none");
  if (t.patterns.size() != 1) {
    refuse(fmt::format("tiktoken cuts text by one pattern, and this vocabulary has {}",
                       t.patterns.size()));
  }
  if (!t.before.empty() || !t.after.empty()) {
    refuse("tiktoken puts nothing around a text, and this vocabulary has a template");
  }
  std::string out;
  bool ended = false;
  for (size_t id = 0; id < t.tokens.size(); ++id) {
    const PortableTokenizer::Token& token = t.tokens[id];
    if (token.type == PieceType::normal && !ended) {
      const auto bytes = t.vocabulary->bytes(static_cast<TokenId>(id));
      out += fmt::format("{} {}\n", encode_base64(bytes), id);
    } else if (token.type == PieceType::normal) {
      refuse(fmt::format("token {} {} has an id behind special ones, which is no rank", id,
                         shown(token.text)));
    } else {
      ended = true;
    }
  }
  write_file(path, out);
}

std::shared_ptr<const Tokenizer> read_ranks_of(const std::string& path,
                                               const PortableTokenizer& t) {
  TiktokenOptions options;
  options.pattern = with_end(t.patterns.front(), "\\z", "$");
  for (size_t id = 0; id < t.tokens.size(); ++id) {
    if (t.tokens[id].type == PieceType::normal) continue;
    options.specials.push_back({t.tokens[id].text, static_cast<TokenId>(id)});
  }
  return read_tiktoken(path, options);
}

}  // namespace tessera
