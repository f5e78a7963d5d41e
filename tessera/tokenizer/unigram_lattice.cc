#include "tessera/tokenizer/unigram_lattice.h"

#include <cmath>

#include "tessera/base/error.h"

namespace tessera {

UnigramLattice::UnigramLattice(const std::vector<UnigramPiece>& pieces, std::vector<bool> control,
                               UnigramOptions options)
    : control_(std::move(control)), options_(std::move(options)) {
  std::vector<PieceTrie::Entry> entries;
  entries.reserve(pieces.size());
  pieces_.reserve(pieces.size());
  for (const UnigramPiece& p : pieces) {
    entries.push_back({p.text, static_cast<int32_t>(pieces_.size())});
    // A user-defined piece gets more than any other way, and one tenth less than a tie.
    const auto bonus = static_cast<float>(static_cast<float>(p.text.size()) *
                                          static_cast<float>(options_.greatest_score));
    pieces_.push_back({p.user_defined ? static_cast<double>(bonus) - 0.1 : p.score, p.id});
  }
  trie_ = PieceTrie(std::move(entries));
  greatest_ = std::abs(options_.unknown_score);
  for (const Scored& p : pieces_) {
    const auto id = static_cast<size_t>(std::max(p.id, TokenId{0}));
    if (id >= scores_.size()) scores_.resize(id + 1);
    scores_[id] = p.score;
    greatest_ = std::max(greatest_, std::abs(p.score));
  }
}

void UnigramLattice::name_unknown(std::string_view piece, size_t first, bool allow_control,
                                  std::vector<ModelToken>& out) const {
  auto unknown = [this](const ModelToken& t) { return is_unknown(t.id); };
  const auto begin = out.begin() + static_cast<std::ptrdiff_t>(first);
  if (std::none_of(begin, out.end(), unknown)) return;
  const std::vector<ModelToken> found(begin, out.end());
  out.resize(first);
  for (size_t i = 0; i < found.size();) {
    if (!unknown(found[i])) {
      out.push_back(found[i++]);
      continue;
    }
    ModelToken all = found[i++];
    while (i < found.size() && unknown(found[i])) all.end = found[i++].end;
    if (options_.look_up_fused) {
      const int32_t index = trie_.find(piece.substr(all.begin, all.end - all.begin));
      if (index >= 0 && allowed(pieces_[static_cast<size_t>(index)].id, allow_control)) {
        all.id = pieces_[static_cast<size_t>(index)].id;
        out.push_back(all);
        continue;
      }
    }
    if (to_bytes(piece, all, out)) continue;
    if (!options_.unknown) {
      throw Error("", "a character is no token, and the vocabulary has none for what is unknown",
                  "Give the model an \"unk_id\".");
    }
    all.id = *options_.unknown;
    out.push_back(all);
  }
}

// All bytes become tokens, or none does.
bool UnigramLattice::to_bytes(std::string_view piece, const ModelToken& all,
                              std::vector<ModelToken>& out) const {
  if (options_.byte_tokens.empty()) return false;
  auto token = [&](uint32_t at) {
    return options_.byte_tokens[static_cast<unsigned char>(piece[at])];
  };
  for (uint32_t at = all.begin; at < all.end; ++at) {
    if (token(at) < 0) return false;
  }
  for (uint32_t at = all.begin; at < all.end; ++at) out.push_back({token(at), at, at + 1});
  return true;
}

}  // namespace tessera
