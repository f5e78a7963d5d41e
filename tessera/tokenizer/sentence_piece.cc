#include "tessera/tokenizer/sentence_piece.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <numeric>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/files/shown.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/bpe.h"
#include "tessera/tokenizer/decoders.h"
#include "tessera/tokenizer/piece_lookup.h"
#include "tessera/tokenizer/pipeline.h"

namespace tessera {
namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";

// A piece is looked at once for every way to cut it in two.
constexpr size_t kLongestPiece = 1000;

// U+2581 becomes a space, but the one that the normaliser put in front of a text goes.
class SentencePieceDecoder : public Decoder {
 public:
  struct Options {
    std::string unknown, unknown_text;
    bool bytes = false;          // whether "<0x0A>" is a byte
    bool drops_first = false;    // one space at the front goes
    bool drops_leading = false;  // a space at the front of each piece goes until some text stands
  };
  explicit SentencePieceDecoder(Options options) : options_(std::move(options)) {}
  void apply(std::vector<std::string>& pieces) const override {
    bool drops = options_.drops_first || options_.drops_leading;
    for (std::string& p : pieces) {
      const int byte = options_.bytes ? named_byte(p) : -1;
      if (byte >= 0) {
        p.assign(1, static_cast<char>(byte));
      } else if (!options_.unknown.empty() && p == options_.unknown) {
        p = options_.unknown_text;
      } else {
        const bool dropped = drops && p.starts_with(kSpace);
        p = marks_to_spaces(dropped ? std::string_view(p).substr(kSpace.size()) : p);
        if (dropped && !options_.drops_leading) drops = false;
      }
      if (!p.empty()) drops = false;
    }
  }

 private:
  Options options_;
};

class SentencePieceBuilder {
 public:
  SentencePieceBuilder(const std::vector<ScoredPiece>& pieces, SentencePieceOptions options,
                       const std::string& where)
      : pieces_(pieces), options_(std::move(options)), where_(where) {}

  std::shared_ptr<const Tokenizer> build() {
    parts_.vocabulary = std::make_unique<VocabularyTable>(static_cast<int64_t>(pieces_.size()));
    control_.resize(pieces_.size());
    table_.reserve(pieces_.size(), 8 * pieces_.size());
    for (size_t i = 0; i < pieces_.size(); ++i) add(static_cast<TokenId>(i), pieces_[i]);
    if (!std::all_of(bytes_.begin(), bytes_.end(), [](TokenId id) { return id >= 0; })) {
      bytes_.clear();
    }
    make_model();
    SentencePieceDecoder::Options decoder;
    // Where it is found in text it is a special token, which gives its name or nothing.
    if (options_.unknown && !options_.user_defined_in_raw_text) {
      decoder.unknown = pieces_[static_cast<size_t>(*options_.unknown)].text;
    }
    decoder.unknown_text = options_.unknown_text;
    decoder.bytes = !bytes_.empty();
    decoder.drops_first = options_.rules.dummy_prefix;
    decoder.drops_leading = options_.rules.remove_extra;
    parts_.decoder = std::make_unique<SentencePieceDecoder>(std::move(decoder));
    parts_.normaliser = sentence_piece_normaliser(std::move(options_.rules));
    parts_.library_parses_control = options_.library_parses_control;
    parts_.bos = options_.bos;
    parts_.eos = options_.eos;
    parts_.adds_bos = options_.adds_bos && options_.bos;
    if (parts_.adds_bos) parts_.frame.before.push_back(*options_.bos);
    if (options_.adds_eos && options_.eos) parts_.frame.after.push_back(*options_.eos);
    return make_tokenizer(std::move(parts_));
  }

 private:
  static TokenRole role_of(PieceType type) {
    switch (type) {
      case PieceType::unknown:
        return TokenRole::unknown;
      case PieceType::control:
        return TokenRole::control;
      case PieceType::user_defined:
        return TokenRole::added;
      case PieceType::unused:
        return TokenRole::unused;
      case PieceType::byte:
        return TokenRole::byte;
      case PieceType::normal:
        break;
    }
    return TokenRole::normal;
  }

  [[noreturn]] void refuse(TokenId id, const std::string& what,
                           const std::string& remedy = "") const {
    throw Error(where_,
                "piece " + std::to_string(id) + " " + shown(pieces_[static_cast<size_t>(id)].text) +
                    " " + what,
                remedy);
  }

  void make_model() {
    switch (options_.kind) {
      case SentencePieceKind::unigram:
        parts_.model = unigram();
        break;
      case SentencePieceKind::bpe:
        bpe_.unknown = options_.unknown;
        bpe_.byte_fallback = true;
        bpe_.fuse_unknown = true;
        bpe_.retries = false;
        {
          const std::vector<BpeMerge> joins = merges();  // adds to the table
          parts_.model = byte_pair_model(std::move(table_), joins, control_, std::move(bpe_));
        }
        break;
      case SentencePieceKind::word:
      case SentencePieceKind::character: {
        PieceLookupOptions lookup;
        lookup.words = options_.kind == SentencePieceKind::word;
        lookup.whole = options_.rules.kept;
        lookup.unknown = options_.unknown;
        lookup.byte_tokens = bytes_;
        parts_.model = piece_lookup_model(std::move(table_), std::move(lookup));
        break;
      }
    }
  }

  std::unique_ptr<Model> unigram() const {
    std::vector<UnigramPiece> scored;
    float least = FLT_MAX, greatest = FLT_MIN;
    const bool doubles = options_.sums == UnigramSums::doubles;
    for (size_t i = 0; i < pieces_.size(); ++i) {
      const ScoredPiece& p = pieces_[i];
      const bool user_defined = p.type == PieceType::user_defined;
      const bool unused = p.type == PieceType::unused && doubles;
      if (p.type != PieceType::normal && !user_defined && !unused) continue;
      const double score = doubles && user_defined ? 0 : p.score;
      scored.push_back({p.text, static_cast<TokenId>(i), score, user_defined && !doubles});
      if (p.type != PieceType::normal) continue;
      least = std::min(least, p.score);
      greatest = std::max(greatest, p.score);
    }
    constexpr float kUnknownPenalty = 10;
    UnigramOptions options;
    options.sums = options_.sums;
    options.unknown = options_.unknown;
    options.unknown_score = least - kUnknownPenalty;
    options.greatest_score = greatest;
    if (!doubles) options.byte_tokens = bytes_;
    options.look_up_fused = false;
    return unigram_model(scored, control_, std::move(options));
  }

  void add(TokenId id, const ScoredPiece& p) {
    VocabularyTable& vocabulary = *parts_.vocabulary;
    if (p.text.size() > kLongestPiece) refuse(id, "has more than 1,000 bytes");
    if (!std::isfinite(p.score)) refuse(id, "has a score that is no number");
    if (!vocabulary.set(id, p.text, role_of(p.type))) {
      refuse(id, "is there twice");
    }
    const bool raw = options_.user_defined_in_raw_text;
    const bool literal =
        p.type == PieceType::control ||
        (raw && (p.type == PieceType::unknown || p.type == PieceType::user_defined));
    if (literal) {
      AddedToken token;
      token.id = id;
      token.content = p.text;
      token.special = p.type != PieceType::user_defined;
      parts_.added.push_back(std::move(token));
    }
    control_[static_cast<size_t>(id)] = p.type == PieceType::control;
    switch (p.type) {
      case PieceType::byte: {
        const int byte = named_byte(p.text);
        if (byte < 0) refuse(id, "is of type byte but names none", "It must look like <0x0A>.");
        bytes_[static_cast<size_t>(byte)] = id;
        if (options_.kind == SentencePieceKind::bpe) table_.insert(p.text, id);
        vocabulary.set_bytes(id, std::string(1, static_cast<char>(byte)), false);
        return;
      }
      case PieceType::user_defined:
        if (!literal) {
          options_.rules.kept.emplace_back(p.text);
          if (options_.kind == SentencePieceKind::bpe) {
            bpe_.whole.insert(p.text, id);
          } else {
            table_.insert(p.text, id);
          }
        }
        vocabulary.set_bytes(id, literal ? std::string(p.text) : marks_to_spaces(p.text), false);
        return;
      case PieceType::normal:
        table_.insert(p.text, id);
        vocabulary.set_bytes(id, marks_to_spaces(p.text), p.text.starts_with(kSpace));
        return;
      case PieceType::unknown:
        vocabulary.set_bytes(id, options_.unknown_text, false);
        return;
      default:
        vocabulary.set_bytes(id, "", false);
    }
  }

  // Every way to cut a piece into two pieces is a pair that joins to it, ranked by its score.
  // Single characters count as pieces there even where the vocabulary has none for them.
  std::vector<BpeMerge> merges() {
    std::vector<TokenId> order(pieces_.size());
    std::iota(order.begin(), order.end(), 0);
    auto score = [&](TokenId id) { return pieces_[static_cast<size_t>(id)].score; };
    std::stable_sort(order.begin(), order.end(),
                     [&](TokenId a, TokenId b) { return score(a) > score(b); });
    bpe_.bare_from = static_cast<TokenId>(pieces_.size());
    TokenId next_bare = bpe_.bare_from;
    auto part = [&](std::string_view text) {
      if (const auto id = parts_.vocabulary->find(text)) {
        return pieces_[static_cast<size_t>(*id)].type == PieceType::normal ? *id : TokenId{-1};
      }
      if (unit_at(text, 0).length != text.size()) return TokenId{-1};
      const TokenId bare = table_.find(text);
      if (bare >= 0) return bare;
      table_.insert(text, next_bare);
      return next_bare++;
    };
    std::vector<BpeMerge> out;
    uint32_t rank = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0 && score(order[i]) != score(order[i - 1])) ++rank;
      const ScoredPiece& p = pieces_[static_cast<size_t>(order[i])];
      if (p.type != PieceType::normal) continue;
      for (size_t at = 0; at < p.text.size();) {
        at += unit_at(p.text, at).length;
        if (at >= p.text.size()) break;
        const TokenId left = part(p.text.substr(0, at)), right = part(p.text.substr(at));
        if (left >= 0 && right >= 0) out.push_back({left, right, order[i], rank});
      }
    }
    return out;
  }

  const std::vector<ScoredPiece>& pieces_;
  SentencePieceOptions options_;
  const std::string& where_;
  PipelineParts parts_;
  PieceTable table_;
  std::vector<bool> control_;
  std::vector<TokenId> bytes_ = std::vector<TokenId>(256, -1);  // empty: not all have a piece
  BpeOptions bpe_;
};

}  // namespace

std::shared_ptr<const Tokenizer> make_sentence_piece(const std::vector<ScoredPiece>& pieces,
                                                     SentencePieceOptions options,
                                                     const std::string& where) {
  return SentencePieceBuilder(pieces, std::move(options), where).build();
}

}  // namespace tessera
