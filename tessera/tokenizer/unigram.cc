#include "tessera/tokenizer/unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/piece_trie.h"

namespace tessera {
namespace {

constexpr uint32_t kNowhere = std::numeric_limits<uint32_t>::max();

// The best way to a byte of the text: its sum, and the last token on it.
template <class Sum>
struct Arrival {
  Sum sum = 0;
  uint32_t from = kNowhere;
  TokenId id = -1;
};

// Kept for the thread's next text; a single huge one must not keep its memory.
template <class Sum>
std::vector<Arrival<Sum>>& arrivals(size_t size) {
  thread_local std::vector<Arrival<Sum>> kept;
  constexpr size_t kMost = 1 << 16;
  if (kept.capacity() > kMost && size <= kMost) std::vector<Arrival<Sum>>().swap(kept);
  kept.assign(size, {});
  return kept;
}

class UnigramModel : public Model {
 public:
  UnigramModel(const std::vector<UnigramPiece>& pieces, std::vector<bool> control,
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
  }

  std::string name() const override { return "Unigram"; }

  void encode(std::string_view piece, bool allow_control,
              std::vector<ModelToken>& out) const override {
    if (piece.empty()) return;
    check_size(piece);
    if (options_.sums == UnigramSums::floats) {
      encode_with<float>(piece, allow_control, out);
    } else {
      encode_with<double>(piece, allow_control, out);
    }
  }

  // Draws tokens from the front on, each as likely as all ways that go on with it. Source:
  // Kudo 2018, section 3.3, with the sums taken from the end.
  void draw(std::string_view piece, bool allow_control, const Sampling& sampling, Random& random,
            std::vector<ModelToken>& out) const override {
    if (piece.empty()) return;
    check_size(piece);
    constexpr double kUsual = 0.1;
    const double rate = sampling.rate.value_or(kUsual);
    if (sampling.best > 0) {
      auto ways = best_ways(piece, allow_control, static_cast<size_t>(sampling.best));
      std::vector<double> weights;
      weights.reserve(ways.size());
      for (const ScoredWay& way : ways) {
        weights.push_back(std::exp(rate * (way.score - ways[0].score)));
      }
      const auto& drawn = ways[random.categorical(weights)].tokens;
      out.insert(out.end(), drawn.begin(), drawn.end());
      return;
    }
    const size_t first = out.size();
    constexpr double kNone = -std::numeric_limits<double>::infinity();
    // By byte: the logarithm of the sum over all ways from there to the end.
    std::vector<double> behind(piece.size() + 1, kNone);
    behind[piece.size()] = 0;
    const std::vector<uint32_t> begins = characters(piece);
    std::vector<double> terms;
    for (size_t i = begins.size(); i-- > 0;) {
      terms.clear();
      each_token(piece, begins[i], allow_control, [&](size_t end, double score, TokenId) {
        terms.push_back(rate * score + behind[end]);
      });
      const double most = *std::max_element(terms.begin(), terms.end());
      if (most == kNone) continue;
      double sum = 0;
      for (const double term : terms) sum += std::exp(term - most);
      behind[begins[i]] = most + std::log(sum);
    }
    std::vector<ModelToken> choices;
    for (uint32_t at = 0; at < piece.size();) {
      terms.clear();
      choices.clear();
      each_token(piece, at, allow_control, [&](size_t end, double score, TokenId id) {
        terms.push_back(std::exp(rate * score + behind[end] - behind[at]));
        choices.push_back({id, at, static_cast<uint32_t>(end)});
      });
      out.push_back(choices[random.categorical(terms)]);
      at = out.back().end;
    }
    name_unknown(piece, first, allow_control, out);
  }

  // The best ways to each byte from the best ways to those before it. Sums are doubles whatever
  // `sums` says.
  std::vector<ScoredWay> best_ways(std::string_view piece, bool allow_control,
                                   size_t count) const override {
    if (piece.empty()) return {ScoredWay{}};
    check_size(piece);
    constexpr size_t kMost = size_t{1} << 26;
    if (count > kMost / (piece.size() + 1)) {
      throw Error("",
                  fmt::format("the {} best ways to cut a stretch of {} bytes are too many", count,
                              piece.size()),
                  "Ask for fewer, or cut the text into lines.");
    }
    struct Way {
      double sum;
      uint32_t from, rank;  // the last token's begin, and which way leads there
      TokenId id;
    };
    std::vector<std::vector<Way>> to(piece.size() + 1);
    to[0].push_back({0, 0, 0, -1});
    const auto keep_best = [count](std::vector<Way>& ways) {
      std::stable_sort(ways.begin(), ways.end(),
                       [](const Way& a, const Way& b) { return a.sum > b.sum; });
      if (ways.size() > count) ways.resize(count);
    };
    for (const uint32_t at : characters(piece)) {
      keep_best(to[at]);
      each_token(piece, at, allow_control, [&](size_t end, double score, TokenId id) {
        for (uint32_t rank = 0; rank < to[at].size(); ++rank) {
          to[end].push_back({to[at][rank].sum + score, at, rank, id});
        }
        if (to[end].size() > 4 * count) keep_best(to[end]);
      });
    }
    keep_best(to.back());
    std::vector<ScoredWay> out;
    for (const Way& last : to.back()) {
      ScoredWay way{last.sum, {}};
      auto end = static_cast<uint32_t>(piece.size());
      for (const Way* w = &last; end > 0; w = &to[end][w->rank]) {
        way.tokens.push_back({w->id, w->from, end});
        end = w->from;
      }
      std::reverse(way.tokens.begin(), way.tokens.end());
      name_unknown(piece, 0, allow_control, way.tokens);
      out.push_back(std::move(way));
    }
    return out;
  }

 private:
  static void check_size(std::string_view piece) {
    if (piece.size() < kNowhere) return;
    throw Error("", "a stretch of text without a place to cut it has 4 GiB or more",
                "Cut the text into lines or files.");
  }

  static std::vector<uint32_t> characters(std::string_view piece) {
    std::vector<uint32_t> begins;
    for (size_t at = 0; at < piece.size(); at += unit_at(piece, at).length) {
      begins.push_back(static_cast<uint32_t>(at));
    }
    return begins;
  }

  // Calls `visit(end, score, id)` for each token that can stand at `at`, a character's begin, and
  // end where one begins.
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

  struct Scored {
    double score;
    TokenId id;
  };

  bool allowed(TokenId id, bool allow_control) const {
    return allow_control || static_cast<size_t>(id) >= control_.size() ||
           !control_[static_cast<size_t>(id)];
  }

  template <class Sum>
  void encode_with(std::string_view piece, bool allow_control, std::vector<ModelToken>& out) const {
    auto& best = arrivals<Sum>(piece.size() + 1);
    // The earliest start of equally good last tokens wins: starts come in order, and a later one
    // has to be better. A sum is compared before it is rounded, as the references do.
    auto arrive = [&](size_t from, size_t to, auto sum, TokenId id) {
      Arrival<Sum>& a = best[to];
      if (a.from != kNowhere && !(sum > a.sum)) return;
      a = {static_cast<Sum>(sum), static_cast<uint32_t>(from), id};
    };
    for (size_t at = 0; at < piece.size();) {
      const size_t length = unit_at(piece, at).length;
      const Sum so_far = best[at].sum;
      bool single = false;
      trie_.prefixes(piece.substr(at), [&](size_t bytes, int32_t index) {
        const Scored& p = pieces_[static_cast<size_t>(index)];
        if (!allowed(p.id, allow_control)) return;
        arrive(at, at + bytes, p.score + so_far, p.id);
        single = single || bytes == length;
      });
      if (!single) {
        arrive(at, at + length, static_cast<Sum>(options_.unknown_score) + so_far, kUnknown);
      }
      at += length;
    }
    const size_t first = out.size();
    for (auto end = static_cast<uint32_t>(piece.size()); end > 0;) {
      const Arrival<Sum>& a = best[end];
      // A piece may end inside a character and lead nowhere; the way back never goes there.
      out.push_back({a.id, a.from, end});
      end = a.from;
    }
    std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
    name_unknown(piece, first, allow_control, out);
  }

  // Gives ids to what is unknown among the tokens from `first` on.
  void name_unknown(std::string_view piece, size_t first, bool allow_control,
                    std::vector<ModelToken>& out) const {
    auto unknown = [&](const ModelToken& t) {
      return t.id == kUnknown || (options_.unknown && t.id == *options_.unknown);
    };
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
  bool to_bytes(std::string_view piece, const ModelToken& all, std::vector<ModelToken>& out) const {
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

  static constexpr TokenId kUnknown = -2;

  PieceTrie trie_;
  std::vector<Scored> pieces_;
  std::vector<bool> control_;
  UnigramOptions options_;
};

}  // namespace

std::unique_ptr<Model> unigram_model(const std::vector<UnigramPiece>& pieces,
                                     std::vector<bool> control, UnigramOptions options) {
  return std::make_unique<UnigramModel>(pieces, std::move(control), std::move(options));
}

}  // namespace tessera
