#include "tessera/tokenizer/piece_lookup.h"

#include <utility>

#include "tessera/text/utf8.h"
#include "tessera/tokenizer/piece_trie.h"

namespace tessera {
namespace {

constexpr std::string_view kMark = "\xE2\x96\x81";

class PieceLookupModel : public Model {
 public:
  PieceLookupModel(PieceTable pieces, PieceLookupOptions options)
      : pieces_(std::move(pieces)), options_(std::move(options)) {
    std::vector<PieceTrie::Entry> entries;
    entries.reserve(options_.whole.size());
    for (const std::string& piece : options_.whole) entries.push_back({piece, 0});
    whole_ = PieceTrie(std::move(entries));
  }

  std::string name() const override { return options_.words ? "words" : "characters"; }

  void encode(std::string_view piece, bool, std::vector<ModelToken>& out) const override {
    bool after_unknown = false;
    for (size_t at = 0; at < piece.size();) {
      const size_t end = at + (options_.words ? word_at(piece, at) : character_at(piece, at));
      const TokenId id = pieces_.find(piece.substr(at, end - at));
      const auto begin = static_cast<uint32_t>(at);
      const bool unknown = id < 0;
      if (!unknown) {
        out.push_back({id, begin, static_cast<uint32_t>(end)});
      } else if (!options_.byte_tokens.empty()) {
        for (uint32_t i = begin; i < end; ++i) {
          out.push_back({options_.byte_tokens[static_cast<unsigned char>(piece[i])], i, i + 1});
        }
      } else if (after_unknown) {
        out.back().end = static_cast<uint32_t>(end);
      } else if (options_.unknown) {
        out.push_back({*options_.unknown, begin, static_cast<uint32_t>(end)});
      }
      after_unknown = unknown && options_.unknown;
      at = end;
    }
  }

 private:
  size_t character_at(std::string_view text, size_t at) const {
    size_t length = unit_at(text, at).length;
    if (whole_.empty()) return length;
    size_t whole = 0;
    whole_.prefixes(text.substr(at), [&](size_t n, int32_t) { whole = n; });
    return whole > 0 ? whole : length;
  }
  static size_t word_at(std::string_view text, size_t at) {
    const size_t next = text.find(kMark, at + 1);
    return (next == std::string_view::npos ? text.size() : next) - at;
  }

  PieceTable pieces_;
  PieceLookupOptions options_;
  PieceTrie whole_;
};

}  // namespace

std::unique_ptr<Model> piece_lookup_model(PieceTable pieces, PieceLookupOptions options) {
  return std::make_unique<PieceLookupModel>(std::move(pieces), std::move(options));
}

}  // namespace tessera
