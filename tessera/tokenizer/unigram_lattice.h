// The ways to cut a text into tokens of a Unigram vocabulary, and the best of them. Source: Kudo
// 2018, arXiv 1804.10959.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/text/utf8.h"
#include "tessera/tokenizer/borders.h"
#include "tessera/tokenizer/piece_trie.h"
#include "tessera/tokenizer/unigram.h"

namespace tessera {

class UnigramLattice {
 public:
  // Stands for a character that is no piece, until name_unknown().
  static constexpr TokenId kUnknown = -2;
  static constexpr uint32_t kNowhere = std::numeric_limits<uint32_t>::max();

  UnigramLattice(const std::vector<UnigramPiece>& pieces, std::vector<bool> control,
                 UnigramOptions options);

  const UnigramOptions& options() const { return options_; }
  bool allowed(TokenId id, bool allow_control) const {
    return allow_control || static_cast<size_t>(id) >= control_.size() ||
           !control_[static_cast<size_t>(id)];
  }
  bool is_unknown(TokenId id) const {
    return id == kUnknown || (options_.unknown && id == *options_.unknown);
  }
  // Of a piece's token; kUnknown has one, too.
  double score(TokenId id) const {
    return id == kUnknown ? options_.unknown_score : scores_[static_cast<size_t>(id)];
  }
  // The greatest magnitude of a score.
  double greatest() const { return greatest_; }

  // Calls `visit(end, score, id)` for each token that can stand at `at`, where a character begins.
  template <class Visit>
  void each_token(std::string_view piece, size_t at, bool allow_control, const Visit& visit) const {
    const size_t length = unit_at(piece, at).length;
    bool single = false;
    trie_.prefixes(piece.substr(at), [&](size_t bytes, int32_t index) {
      const Scored& p = pieces_[static_cast<size_t>(index)];
      if (!allowed(p.id, allow_control)) return;
      visit(at + bytes, p.score, p.id);
      single = single || bytes == length;
    });
    if (!single) visit(at + length, options_.unknown_score, kUnknown);
  }

  // What a sum becomes with one more token, rounded to `Sum`: so the references have it, and so
  // sums are compared.
  template <class Sum>
  static Sum added(Sum so_far, double score) {
    return static_cast<Sum>(static_cast<Sum>(score) + so_far);
  }

  // Appends the tokens of the way whose sum is greatest and gives that sum; `start` stands in front
  // of it. `margin`, where not null: by how much every choice on that way was the best one.
  template <class Sum>
  Sum best_way(std::string_view piece, bool allow_control, Sum start, std::vector<ModelToken>& out,
               double* margin = nullptr) const {
    std::vector<Arrival<Sum>>& best = arrivals<Sum>(piece.size() + 1);
    best[0].sum = start;
    for (size_t at = 0; at < piece.size();) {
      const size_t length = unit_at(piece, at).length;
      const Sum so_far = best[at].sum;
      // The earliest start of equally good last tokens wins: starts come in order, and a later one
      // has to be better.
      each_token(piece, at, allow_control, [&](size_t end, double score, TokenId id) {
        Arrival<Sum>& a = best[end];
        const Sum sum = added(so_far, score);
        if (a.from == kNowhere) {
          a = {sum, static_cast<uint32_t>(at), id, kAlone};
        } else if (sum > a.sum) {
          a = {sum, static_cast<uint32_t>(at), id, static_cast<Sum>(sum - a.sum)};
        } else {
          a.margin = std::min(a.margin, static_cast<Sum>(a.sum - sum));
        }
      });
      at += length;
    }
    const size_t first = out.size();
    double least = kAlone;
    // A piece may end inside a character and lead nowhere; the way back never goes there.
    for (auto end = static_cast<uint32_t>(piece.size()); end > 0;) {
      const Arrival<Sum>& a = best[end];
      out.push_back({a.id, a.from, end});
      least = std::min(least, static_cast<double>(a.margin));
      end = a.from;
    }
    std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
    if (margin != nullptr) *margin = least;
    return best[piece.size()].sum;
  }

  // Gives ids to what is unknown among the tokens from `first` on. Throws Error where there is
  // none.
  void name_unknown(std::string_view piece, size_t first, bool allow_control,
                    std::vector<ModelToken>& out) const;

 private:
  static constexpr float kAlone = std::numeric_limits<float>::max();
  struct Scored {
    double score;
    TokenId id;
  };
  // The best way to a byte of the text: its sum, the last token on it, and what it was better by.
  template <class Sum>
  struct Arrival {
    Sum sum = 0;
    uint32_t from = kNowhere;
    TokenId id = -1;
    Sum margin = 0;
  };
  // Kept for the thread's next text; a single huge one must not keep its memory.
  template <class Sum>
  static std::vector<Arrival<Sum>>& arrivals(size_t size) {
    thread_local std::vector<Arrival<Sum>> kept;
    constexpr size_t kMost = 1 << 16;
    if (kept.capacity() > kMost && size <= kMost) std::vector<Arrival<Sum>>().swap(kept);
    kept.assign(size, {});
    return kept;
  }
  bool to_bytes(std::string_view piece, const ModelToken& all, std::vector<ModelToken>& out) const;

  PieceTrie trie_;
  std::vector<Scored> pieces_;
  std::vector<double> scores_;  // by id
  double greatest_ = 0;
  std::vector<bool> control_;
  UnigramOptions options_;
};

// Encodes texts by what lies between places that no piece spans: the best way leads through each of
// them. Words that were seen before are looked up. Null where that would not give the same ids.
std::unique_ptr<Model::Runner> unigram_runner(const UnigramLattice& lattice,
                                              const Borders& borders);

}  // namespace tessera
