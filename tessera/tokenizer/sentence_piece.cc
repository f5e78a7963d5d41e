#include "tessera/tokenizer/sentence_piece.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/files/shown.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/bpe.h"
#include "tessera/tokenizer/decoders.h"
#include "tessera/tokenizer/normalisers.h"
#include "tessera/tokenizer/pipeline.h"
#include "tessera/tokenizer/pre_tokenizers.h"

namespace tessera {
namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";

std::string unescaped(std::string_view piece) {
  std::string out;
  for (size_t at = 0; at < piece.size();) {
    if (piece.substr(at).starts_with(kSpace)) {
      out += ' ';
      at += kSpace.size();
    } else {
      out += piece[at++];
    }
  }
  return out;
}

class Builder {
 public:
  Builder(const std::vector<ScoredPiece>& pieces, const SentencePieceOptions& options,
          const std::string& where)
      : pieces_(pieces), options_(options), where_(where) {}

  std::shared_ptr<const Tokenizer> build() {
    parts_.vocabulary = std::make_unique<VocabularyTable>(static_cast<int64_t>(pieces_.size()));
    control_.resize(pieces_.size());
    table_.reserve(pieces_.size(), 8 * pieces_.size());
    for (size_t i = 0; i < pieces_.size(); ++i) add(static_cast<TokenId>(i), pieces_[i]);
    bpe_.unknown = options_.unknown;
    bpe_.byte_fallback = true;
    bpe_.fuse_unknown = true;
    parts_.model = byte_pair_model(std::move(table_), merges(), control_, std::move(bpe_));
    std::vector<std::unique_ptr<Normaliser>> steps;
    if (options_.dummy_prefix) steps.push_back(prepender(" "));
    steps.push_back(replacer(Pattern::literal(" "), std::string(kSpace)));
    parts_.normaliser = sequence(std::move(steps));
    std::vector<std::unique_ptr<Decoder>> chain;
    chain.push_back(replace_decoder(Pattern::literal(kSpace), " ", true));
    chain.push_back(byte_fallback_decoder());
    chain.push_back(fuse_decoder());
    if (options_.dummy_prefix) chain.push_back(strip_decoder(" ", 1, 0));
    parts_.decoder = sequence(std::move(chain));
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

  void add(TokenId id, const ScoredPiece& p) {
    VocabularyTable& vocabulary = *parts_.vocabulary;
    if (!vocabulary.set(id, p.text, role_of(p.type))) {
      throw Error(where_, "piece " + std::to_string(id) + " " + shown(p.text) + " is there twice");
    }
    const bool literal = p.type == PieceType::control || p.type == PieceType::unknown ||
                         (p.type == PieceType::user_defined && options_.user_defined_in_raw_text);
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
        if (byte < 0) {
          throw Error(where_,
                      "piece " + std::to_string(id) + " " + shown(p.text) +
                          " is of type byte but names none",
                      "It must look like <0x0A>.");
        }
        table_.insert(p.text, id);
        vocabulary.set_bytes(id, std::string(1, static_cast<char>(byte)), false);
        return;
      }
      case PieceType::user_defined:
        if (!literal) bpe_.whole.insert(p.text, id);
        vocabulary.set_bytes(id, literal ? std::string(p.text) : unescaped(p.text), false);
        return;
      case PieceType::normal:
        table_.insert(p.text, id);
        vocabulary.set_bytes(id, unescaped(p.text), p.text.starts_with(kSpace));
        return;
      default:
        vocabulary.set_bytes(id, "", false);
    }
  }

  // Every way to cut a piece into two pieces is a pair that joins to it, ranked by its score.
  std::vector<BpeMerge> merges() {
    std::vector<TokenId> order(pieces_.size());
    std::iota(order.begin(), order.end(), 0);
    auto score = [&](TokenId id) { return pieces_[static_cast<size_t>(id)].score; };
    std::stable_sort(order.begin(), order.end(),
                     [&](TokenId a, TokenId b) { return score(a) > score(b); });
    auto normal = [&](std::string_view text) {
      const auto id = parts_.vocabulary->find(text);
      return id && pieces_[static_cast<size_t>(*id)].type == PieceType::normal ? *id : TokenId{-1};
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
        const TokenId left = normal(p.text.substr(0, at)), right = normal(p.text.substr(at));
        if (left >= 0 && right >= 0) out.push_back({left, right, order[i], rank});
      }
    }
    return out;
  }

  const std::vector<ScoredPiece>& pieces_;
  const SentencePieceOptions& options_;
  const std::string& where_;
  PipelineParts parts_;
  PieceTable table_;
  std::vector<bool> control_;
  BpeOptions bpe_;
};

}  // namespace

std::shared_ptr<const Tokenizer> make_scored_bpe(const std::vector<ScoredPiece>& pieces,
                                                 const SentencePieceOptions& options,
                                                 const std::string& where) {
  return Builder(pieces, options, where).build();
}

}  // namespace tessera
